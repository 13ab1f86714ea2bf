-- Leaves nothing of a connection's user to its next one: what DISCARD ALL does, but for plans and for statements
-- prepared through the protocol (docs/design/pipeline.md says why those may stay). Its answer is how much the
-- connection holds that is not to be wiped (statements prepared by SQL, a temporary schema), which must be none, and
-- how many statements were prepared through the protocol. RESET ALL comes last and outlives the function, whose own
-- search_path it ends.
create or replace function tenancy.wipe()
  returns text
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare held text;
begin
  select concat(
    count(*) filter (where from_sql) + (pg_my_temp_schema() <> 0)::int, ' ', count(*) filter (where not from_sql)
  ), pg_advisory_unlock_all()
  from pg_prepared_statements into held;
  execute 'close all';
  unlisten *;
  discard temp;
  discard sequences;
  reset session authorization;
  reset all;
  return held;
end $$;

grant execute on function tenancy.wipe to ward_app, ward_identity, ward_migrate, ward_reviewer, ward_worker;
