-- 164.308(a)(5)(ii)(C)
create or replace function review.evidence_308a5iiC_denied(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with f as (
    select v.event_id, string_agg(y.id || ' ' || y.state, '; ' order by y.id) as anomalies
    from review.anomalies_as_of(s) y join review.evidence v on v.anomaly_id = y.id
    group by v.event_id
  )
  select to_json(x)
  from (
    select e.event_id, e.recorded_at, t.slug as tenant, e.action, u.slug as "user", e.actor_kind,
      e.detail::jsonb->>'reason' as reason, e.detail::jsonb->>'method' as method, e.session_id, f.anomalies
    from review.sealed_event e
      join tenancy.tenant t on t.id = e.tenant_id
      left join tenancy.users u on u.id = e.user_id
      left join f on f.event_id = e.event_id
    where e.tenant_id = any ((s).tenants)
      and e.action in ('sign_in', 'refresh', 'refuse')
      and e.outcome = 'denied'
      and e.recorded_at >= (s).from_at
      and e.recorded_at < (s).to_at
      and e.sealed_at <= (s).as_of
    order by e.recorded_at, e.event_id
  ) x
$$;
