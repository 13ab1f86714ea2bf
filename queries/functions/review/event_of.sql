-- The sealed event in which something was done, found by its time, within a minute, and what its detail says.
create or replace function review.event_of(
  scope review.bundle_scope, tenant uuid, action text, at timestamptz, detail jsonb
)
  returns bigint
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select min(e.event_id)
  from review.sealed_event e
  where e.tenant_id = event_of.tenant
    and e.recorded_at between event_of.at - interval '1 minute' and event_of.at + interval '1 minute'
    and e.action = event_of.action
    and e.detail::jsonb @> event_of.detail
    and e.sealed_at <= (scope).as_of
$$;
