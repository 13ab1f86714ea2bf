-- The level of a throttle now: it drains by one for each interval drain.
create or replace function tenancy.drained(counter tenancy.throttle, bound tenancy.throttle_limit)
  returns float8
  language sql volatile
  set search_path = pg_catalog, pg_temp
as $$
  select greatest(
    0,
    coalesce(counter.level, 0)
      - extract(epoch from clock_timestamp() - counter.level_at) / extract(epoch from bound.drain)
  )
$$;
