-- 164.308(a)(5)(ii)(C): sign-ins, refreshes and tokens that were refused in the period.
create or replace function review.evidence_308a5iiC_denied(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with found_in as (
    select ev.event_id, string_agg(a.id || ' ' || a.state, '; ' order by a.id) as anomalies
    from review.anomalies_as_of(scope) a join review.evidence ev on ev.anomaly_id = a.id
    group by ev.event_id
  )
  select to_json(line)
  from (
    select e.event_id, e.recorded_at, t.slug as tenant, e.action, u.slug as "user", e.actor_kind,
      e.detail::jsonb->>'reason' as reason, e.detail::jsonb->>'method' as method, e.session_id, found_in.anomalies
    from review.sealed_event e
      join tenancy.tenant t on t.id = e.tenant_id
      left join tenancy.users u on u.id = e.user_id
      left join found_in on found_in.event_id = e.event_id
    where e.tenant_id = any ((scope).tenants)
      and e.action in ('sign_in', 'refresh', 'refuse')
      and e.outcome = 'denied'
      and e.recorded_at >= (scope).from_at
      and e.recorded_at < (scope).to_at
      and e.sealed_at <= (scope).as_of
    order by e.recorded_at, e.event_id
  ) line
$$;
