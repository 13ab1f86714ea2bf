-- Adds two counts by hour of the day, hour by hour.
create or replace function review.add_hours(counts int[], more int[])
  returns int[]
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$
  select array_agg(coalesce(hour.count, 0) + coalesce(hour.more, 0) order by hour.number)
  from unnest(counts, more) with ordinality hour(count, more, number)
$$;

grant execute on function review.add_hours to ward_worker;
