-- Takes back what enter_schema gave, when nothing in the schema needs it any more: no protected table is left there,
-- and the role has no right on anything in it.
create or replace function tenancy.leave_schema(t regclass) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  s oid := (select c.relnamespace from pg_class c where c.oid = t);
  r text;
begin
  if s = 'public'::regnamespace
    or exists (select from tenancy.phi_table p join pg_class c on c.oid = to_regclass(p.record_table)
      where c.relnamespace = s)
  then
    return;
  end if;
  foreach r in array array['ward_app', 'ward_reader', 'ward_owner'] loop
    if not exists (select from pg_class c cross join aclexplode(c.relacl) a
      where c.relnamespace = s and a.grantee = r::regrole)
      and not exists (select from pg_class c where c.relnamespace = s and c.relowner = r::regrole)
      and not exists (select from pg_proc p cross join aclexplode(p.proacl) a
        where p.pronamespace = s and a.grantee = r::regrole)
    then
      execute format('revoke usage on schema %s from %I', s::regnamespace, r);
    end if;
  end loop;
end $$;

grant execute on function tenancy.leave_schema to ward_migrate;
