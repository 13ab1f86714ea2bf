-- The roles that a protected table is reached as, and that may not enter its schema yet.
create or replace function tenancy.kept_out(target regclass) returns text[]
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(r order by n), '{}')
  from unnest(array['ward_app', 'ward_reader', 'ward_owner']) with ordinality u(r, n)
  where not has_schema_privilege(r, (select c.relnamespace from pg_class c where c.oid = target), 'usage')
$$;

grant execute on function tenancy.kept_out to ward_migrate;
