-- 164.308(a)(1)(ii)(D): suppressions that were asked for or in force in the period, as they stood. What one held back
-- is counted from the anomalies themselves, since its own counter has no past.
create or replace function review.evidence_308a1iiD_suppressions(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select s.id as suppression_id, t.slug as tenant, s.rule_id, s.tier, u.slug as actor, s.patient_id, s.record_id,
      s.action, s.reason, s.ticket, creator.slug as asked_by, s.created_at as asked_at, approver.slug as approved_by,
      known.approved_at, s.starts_at, s.expires_at, ender.slug as ended_by, known.ended_at, s.renews,
      case
        when known.ended_at is not null then 'ended'
        when s.expires_at <= (scope).as_of then 'expired'
        when known.approved_at is null then 'pending'
        when s.starts_at > (scope).as_of then 'approved'
        else 'active'
      end as state,
      held.n as held_back, held.ids as anomaly_ids, held.events as evidence_event_ids, s.event_id,
      review.event_of(
        scope => scope, tenant => s.tenant_id, action => 'suppress', at => known.approved_at,
        detail => jsonb_build_object('what', 'approved', 'suppression', s.id)
      ) as approved_as,
      review.event_of(
        scope => scope, tenant => s.tenant_id, action => 'suppress', at => known.ended_at,
        detail => jsonb_build_object('what', 'ended', 'suppression', s.id)
      ) as ended_as
    from review.suppression s
      join tenancy.tenant t on t.id = s.tenant_id
      join tenancy.users creator on creator.id = s.created_by
      left join tenancy.users u on u.id = s.actor_id
      cross join lateral (
        select case when s.approved_at <= (scope).as_of then s.approved_at end as approved_at,
          case when s.ended_at <= (scope).as_of then s.ended_at end as ended_at
      ) known
      left join tenancy.users approver on approver.id = s.approved_by and known.approved_at is not null
      left join tenancy.users ender on ender.id = s.ended_by and known.ended_at is not null
      cross join lateral (
        select count(*) as n, string_agg(held_back.id::text, ' ' order by held_back.id) as ids,
          string_agg(held_back.events, ' ' order by held_back.id) as events
        from (
          select a.id,
            (
              select string_agg(sealed.event_id::text, ' ' order by sealed.event_id)
              from (
                select ev.event_id
                from review.evidence ev
                  join audit.chain c on c.event_id = ev.event_id
                  left join review.run run on run.run_id = ev.added_by_run
                where ev.anomaly_id = a.id
                  and c.sealed_at <= (scope).as_of
                  and coalesce(run.finished_at <= (scope).as_of, true)
                order by ev.event_id limit 2000
              ) sealed
            ) as events
          from review.anomaly a
          where a.suppression_id = s.id and a.created_at <= (scope).as_of
        ) held_back
      ) held
    where s.tenant_id = any ((scope).tenants)
      and s.created_at < (scope).to_at
      and coalesce(known.ended_at, s.expires_at) >= (scope).from_at
    order by s.created_at, s.id
  ) line
$$;
