-- Is no delay running for any of these? Tries whose answer nobody has fetched count as failures already, unless their
-- password was right and there was no code to be wrong. One statement, hence one snapshot: a try is in one of the two
-- tables, never missed between them.
create or replace function tenancy.not_throttled(keys text[])
  returns boolean
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    bool_and(
      coalesce(th.until, '-infinity') <= clock_timestamp()
      and (
        pending.tries = 0
        or pending.last_at + tenancy.throttle_delay(tenancy.drained(th, tl) + pending.tries, tl.free, tl.longest)
          <= clock_timestamp()
      )
    ),
    true
  )
  from unnest(array['name', 'source', 'connection'], keys) as k(kind, key)
    join tenancy.throttle_limit tl on tl.kind = k.kind
    left join tenancy.throttle th on th.key = k.key
    cross join lateral (
      select count(*) as tries, max(a.tried_at) as last_at
      from tenancy.attempt a
      where k.key in (a.name, a.source, a.connection) and a.allowed and (not a.held or a.asked ? 'code')
    ) pending
  where k.key is not null
$$;
