-- The clinic of the proven identity, for policies and defaults; null without an identity.
create or replace function tenancy.tenant_id()
  returns uuid
  language plpgsql stable parallel restricted
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (tenancy.claims()->>'tid')::uuid;
end $$;

grant execute on function tenancy.tenant_id to ward_app, ward_reader, ward_reviewer, ward_worker;
