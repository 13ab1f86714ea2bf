-- Lets ward's roles into the schema of a table that is being protected: its owner alone may. ward_app reads the open
-- columns there and writes, ward_reader reads for the view, ward_owner looks the table up.
create or replace function tenancy.enter_schema(t regclass) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  s text := (select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = t);
  r text;
begin
  foreach r in array tenancy.kept_out(t) loop
    execute format('grant usage on schema %I to %I', s, r);
  end loop;
end $$;

grant execute on function tenancy.enter_schema to ward_migrate;
