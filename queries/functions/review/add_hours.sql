-- By hour of the day, each element added to its like.
create or replace function review.add_hours(a int[], b int[])
  returns int[]
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$
  select array_agg(coalesce(x.m, 0) + coalesce(x.n, 0) order by x.i) from unnest(a, b) with ordinality x(m, n, i)
$$;

grant execute on function review.add_hours to ward_worker;
