-- Whether the server's clock has gone back and no worker has noticed yet (tenancy.tick): nobody signs in or refreshes
-- until then.
create or replace function tenancy.clock_is_behind()
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select clock_timestamp() < i.seen_at - interval '5 seconds' from tenancy.instance i
$$;
