-- Owner: ward_reader
-- Makes the view phi.<table> of a protected table.
-- security_barrier and OFFSET 0: a caller's own conditions, leakproof ones too, stay above the disclosure filter
-- LATERAL: tenancy.disclosed is asked first, so that it raises also where no row passes the tenant's boundary. As a
-- condition beside that boundary it was never evaluated then, and a session without an identity saw an empty chart.
-- ORDER BY id: a scan by another index of the clinic's is finished before the first row comes out. Otherwise EXPLAIN of
-- a LIMIT counted the records before a disclosed one in that index's order, and its name, which the caller may change,
-- bisected the others'.
-- tenant_id = (d.r).tenant: the ids and the clinic are of one identity. The boundary's own is looked up once in a
-- statement, the ids again at a rescan: an identity changed in between showed one clinic's rows under another's
-- disclosure.
create or replace function tenancy.make_view(target regclass)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  view_name text;
  schema_name text;
  definition text;
begin
  select c.relname, ns.nspname into view_name, schema_name
  from pg_class c join pg_namespace ns on ns.oid = c.relnamespace
  where c.oid = target;
  if schema_name <> 'public' then view_name := schema_name || '_' || view_name; end if;
  definition := format(
    'create or replace view phi.%I with (security_barrier) as '
      'select x.* from (select tenancy.disclosed(%L) as r offset 0) d cross join lateral ('
      'select * from %s where id = any ((d.r).ids) and tenant_id = (d.r).tenant order by id offset 0) x offset 0',
    view_name, target::text, target
  );
  begin
    execute definition;
  exception when invalid_table_definition then  -- its columns changed: PostgreSQL replaces a view only by one with more
    execute format('drop view phi.%I', view_name);
    execute definition;
  end;
  execute format('grant select on phi.%I to ward_app', view_name);
end $$;

grant execute on function tenancy.make_view to ward_migrate, ward_owner;
