create or replace function review.by_hour(hours int[])
  returns int[]
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$
  select array_agg((select count(*) from unnest(hours) x where x = h)::int order by h) from generate_series(0, 23) h
$$;

grant execute on function review.by_hour to ward_worker;
