create or replace function tenancy.drained(t tenancy.throttle, l tenancy.throttle_limit)
  returns float8
  language sql volatile
  set search_path = pg_catalog, pg_temp
as $$
  select greatest(
    0, coalesce(t.level, 0) - extract(epoch from clock_timestamp() - t.level_at) / extract(epoch from l.drain)
  )
$$;
