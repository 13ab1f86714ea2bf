-- How long a throttle closes at a level: 0 up to free, then 1 s, doubling up to longest.
create or replace function tenancy.throttle_delay(level float8, free int, longest interval)
  returns interval
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when round(level) <= free then interval '0'
    else least(longest, interval '1 second' * 2 ^ least(round(level) - free - 1, 20))
  end
$$;
