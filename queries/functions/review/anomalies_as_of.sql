-- Anomalies as they stood at scope.as_of: their state is that of the last transition until then.
create or replace function review.anomalies_as_of(scope review.bundle_scope)
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
      select min(tr.at)
      from review.transition tr
      where tr.anomaly_id = a.id and tr.to_state = 'claimed' and tr.at <= (scope).as_of
    ),
    (
      select min(tr.at)
      from review.transition tr
      where tr.anomaly_id = a.id and tr.to_state = 'escalated' and tr.at <= (scope).as_of
    ),
    coalesce(latest.to_state, 'new'), closing.disposition, case when latest.to_state = 'closed' then latest.at end,
    closer.slug, closing.reason, approval.at, approver.slug,
    (
      select string_agg(sealed.event_id::text, ' ' order by sealed.event_id)
      from (
        select ev.event_id
        from review.evidence ev join audit.chain c on c.event_id = ev.event_id
        where ev.anomaly_id = a.id and c.sealed_at <= (scope).as_of
        order by ev.event_id limit 2000
      ) sealed
    ),
    (
      select string_agg(tr.event_id::text, ' ' order by tr.version)
      from review.transition tr
      where tr.anomaly_id = a.id and tr.event_id is not null and tr.at <= (scope).as_of
    )
  from review.anomaly a
    join tenancy.tenant t on t.id = a.tenant_id
    left join tenancy.users u on u.id = a.actor_id
    left join lateral (
      select tr.*
      from review.transition tr
      where tr.anomaly_id = a.id and tr.at <= (scope).as_of
      order by tr.version desc limit 1
    ) latest on true
    left join lateral (
      select tr.*
      from review.transition tr
      where tr.anomaly_id = a.id
        and tr.at <= (scope).as_of
        and latest.to_state in ('closed', 'pending_approval')
        and (
          tr.to_state = 'pending_approval'
          or tr.to_state = 'closed' and tr.from_state is distinct from 'pending_approval'
        )
      order by tr.version desc limit 1
    ) closing on true
    left join lateral (
      select tr.*
      from review.transition tr
      where tr.anomaly_id = a.id
        and tr.at <= (scope).as_of
        and latest.to_state = 'closed'
        and tr.from_state = 'pending_approval'
        and tr.to_state = 'closed'
      order by tr.version desc limit 1
    ) approval on true
    left join tenancy.users closer on closer.id = closing.by_user
    left join tenancy.users approver on approver.id = approval.by_user
  where a.tenant_id = any ((scope).tenants) and a.created_at <= (scope).as_of
$$;
