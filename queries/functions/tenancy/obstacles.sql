-- What stands in the way of protecting a table, one line each; none: it can be protected.
create or replace function tenancy.obstacles(target regclass, open text[] default null)
  returns setof text
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select why from tenancy.hindrances(target, open)
$$;

grant execute on function tenancy.obstacles to ward_migrate;
