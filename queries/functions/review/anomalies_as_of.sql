-- Anomalies as they stood: their state is that of the last transition until then.
create or replace function review.anomalies_as_of(s review.bundle_scope)
  returns table (
    id uuid,
    tenant text,
    rule_id text,
    rule_version int,
    tier text,
    severity text,
    actor text,
    actor_id uuid,
    subject_id uuid,
    recurrence_of uuid,
    summary text,
    created_at timestamptz,
    claimed_at timestamptz,
    escalated_at timestamptz,
    state text,
    disposition text,
    closed_at timestamptz,
    closed_by text,
    close_reason text,
    approved_at timestamptz,
    approved_by text,
    evidence_event_ids text,
    decision_event_ids text
  )
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select a.id, t.slug, a.rule_id, a.rule_version, a.tier, a.severity, u.slug, a.actor_id, a.subject_id, a.recurrence_of,
    a.summary, a.created_at,
    (
      select min(x.at)
      from review.transition x
      where x.anomaly_id = a.id and x.to_state = 'claimed' and x.at <= (s).as_of
    ),
    (
      select min(x.at)
      from review.transition x
      where x.anomaly_id = a.id and x.to_state = 'escalated' and x.at <= (s).as_of
    ),
    coalesce(l.to_state, 'new'), c.disposition, case when l.to_state = 'closed' then l.at end, cu.slug, c.reason, p.at,
    pu.slug,
    (
      select string_agg(e.event_id::text, ' ' order by e.event_id)
      from (
        select e.event_id
        from review.evidence e join audit.chain k on k.event_id = e.event_id
        where e.anomaly_id = a.id and k.sealed_at <= (s).as_of
        order by e.event_id limit 2000
      ) e
    ),
    (
      select string_agg(x.event_id::text, ' ' order by x.version)
      from review.transition x
      where x.anomaly_id = a.id and x.event_id is not null and x.at <= (s).as_of
    )
  from review.anomaly a
    join tenancy.tenant t on t.id = a.tenant_id
    left join tenancy.users u on u.id = a.actor_id
    left join lateral (
      select x.*
      from review.transition x
      where x.anomaly_id = a.id and x.at <= (s).as_of
      order by x.version desc limit 1
    ) l on true
    left join lateral (
      select x.*
      from review.transition x
      where x.anomaly_id = a.id
        and x.at <= (s).as_of
        and l.to_state in ('closed', 'pending_approval')
        and (
          x.to_state = 'pending_approval' or x.to_state = 'closed' and x.from_state is distinct from 'pending_approval'
        )
      order by x.version desc limit 1
    ) c on true
    left join lateral (
      select x.*
      from review.transition x
      where x.anomaly_id = a.id
        and x.at <= (s).as_of
        and l.to_state = 'closed'
        and x.from_state = 'pending_approval'
        and x.to_state = 'closed'
      order by x.version desc limit 1
    ) p on true
    left join tenancy.users cu on cu.id = c.by_user
    left join tenancy.users pu on pu.id = p.by_user
  where a.tenant_id = any ((s).tenants) and a.created_at <= (s).as_of
$$;
