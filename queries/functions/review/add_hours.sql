-- Adds two counts by hour of the day, hour by hour.
create or replace function review.add_hours(one int[], other int[])
  returns int[]
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$
  select array_agg(coalesce(hour.m, 0) + coalesce(hour.n, 0) order by hour.i)
  from unnest(one, other) with ordinality hour(m, n, i)
$$;

grant execute on function review.add_hours to ward_worker;
