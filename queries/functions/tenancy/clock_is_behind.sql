-- The answer to whoever signs in or refreshes between a step back and the worker's next tick.
create or replace function tenancy.clock_is_behind()
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select clock_timestamp() < i.seen_at - interval '5 seconds' from tenancy.instance i
$$;
