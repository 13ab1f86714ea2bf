-- Counts how often each hour of the day stands in a list.
create or replace function review.by_hour(hours int[])
  returns int[]
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$
  select array_agg((select count(*) from unnest(hours) event_hour where event_hour = hour)::int order by hour)
  from generate_series(0, 23) hour
$$;

grant execute on function review.by_hour to ward_worker;
