-- Takes back what enter_schema gave, when nothing in the schema needs it any more: no protected table is left there,
-- and the role has no right on anything in it.
create or replace function tenancy.leave_schema(target regclass) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  schema_oid oid := (select c.relnamespace from pg_class c where c.oid = target);
  role_name text;
begin
  if schema_oid = 'public'::regnamespace
    or exists (select from tenancy.phi_table p join pg_class c on c.oid = to_regclass(p.record_table)
      where c.relnamespace = schema_oid)
  then
    return;
  end if;
  foreach role_name in array array['ward_app', 'ward_reader', 'ward_owner'] loop
    if not exists (select from pg_class c cross join aclexplode(c.relacl) a
      where c.relnamespace = schema_oid and a.grantee = role_name::regrole)
      and not exists (select from pg_class c where c.relnamespace = schema_oid and c.relowner = role_name::regrole)
      and not exists (select from pg_proc p cross join aclexplode(p.proacl) a
        where p.pronamespace = schema_oid and a.grantee = role_name::regrole)
    then
      execute format('revoke usage on schema %s from %I', schema_oid::regnamespace, role_name);
    end if;
  end loop;
end $$;

grant execute on function tenancy.leave_schema to ward_migrate;
