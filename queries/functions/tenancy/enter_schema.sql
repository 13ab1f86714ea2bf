-- Lets ward's roles into the schema of a table that is being protected: its owner alone may. ward_app reads the open
-- columns there and writes, ward_reader reads for the view, ward_owner looks the table up.
create or replace function tenancy.enter_schema(target regclass) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  schema_name text := (
    select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target
  );
  role_name text;
begin
  foreach role_name in array tenancy.kept_out(target) loop
    execute format('grant usage on schema %I to %I', schema_name, role_name);
  end loop;
end $$;

grant execute on function tenancy.enter_schema to ward_migrate;
