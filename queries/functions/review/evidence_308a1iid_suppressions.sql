-- Suppressions that were asked for or in force in the period, as they stood. What one held back is counted from the
-- findings themselves: its own counter knows no past.
create or replace function review.evidence_308a1iiD_suppressions(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select p.id as suppression_id, t.slug as tenant, p.rule_id, p.tier, u.slug as actor, p.patient_id, p.record_id,
      p.action, p.reason, p.ticket, c.slug as asked_by, p.created_at as asked_at, a.slug as approved_by, v.approved_at,
      p.starts_at, p.expires_at, b.slug as ended_by, v.ended_at, p.renews,
      case
        when v.ended_at is not null then 'ended'
        when p.expires_at <= (s).as_of then 'expired'
        when v.approved_at is null then 'pending'
        when p.starts_at > (s).as_of then 'approved'
        else 'active'
      end as state,
      h.n as held_back, h.ids as anomaly_ids, h.events as evidence_event_ids, p.event_id,
      review.event_of(
        s, p.tenant_id, 'suppress', v.approved_at, jsonb_build_object('what', 'approved', 'suppression', p.id)
      ) as approved_as,
      review.event_of(
        s, p.tenant_id, 'suppress', v.ended_at, jsonb_build_object('what', 'ended', 'suppression', p.id)
      ) as ended_as
    from review.suppression p
      join tenancy.tenant t on t.id = p.tenant_id
      join tenancy.users c on c.id = p.created_by
      left join tenancy.users u on u.id = p.actor_id
      cross join lateral (
        select case when p.approved_at <= (s).as_of then p.approved_at end as approved_at,
          case when p.ended_at <= (s).as_of then p.ended_at end as ended_at
      ) v
      left join tenancy.users a on a.id = p.approved_by and v.approved_at is not null
      left join tenancy.users b on b.id = p.ended_by and v.ended_at is not null
      cross join lateral (
        select count(*) as n, string_agg(y.id::text, ' ' order by y.id) as ids,
          string_agg(y.events, ' ' order by y.id) as events
        from (
          select y.id,
            (
              select string_agg(z.event_id::text, ' ' order by z.event_id)
              from (
                select w.event_id
                from review.evidence w
                  join audit.chain k on k.event_id = w.event_id
                  left join review.run r on r.run_id = w.added_by_run
                where w.anomaly_id = y.id and k.sealed_at <= (s).as_of and coalesce(r.finished_at <= (s).as_of, true)
                order by w.event_id limit 2000
              ) z
            ) as events
          from review.anomaly y
          where y.suppression_id = p.id and y.created_at <= (s).as_of
        ) y
      ) h
    where p.tenant_id = any ((s).tenants)
      and p.created_at < (s).to_at
      and coalesce(v.ended_at, p.expires_at) >= (s).from_at
    order by p.created_at, p.id
  ) x
$$;
