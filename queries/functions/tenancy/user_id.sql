-- The user of the proven identity; null without one.
create or replace function tenancy.user_id()
  returns uuid
  language plpgsql stable parallel restricted
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (tenancy.claims()->>'sub')::uuid;
end $$;

grant execute on function tenancy.user_id to ward_app, ward_reader, ward_reviewer, ward_worker;
