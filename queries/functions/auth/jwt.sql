-- the name that PostgREST and Supabase policies use
create or replace function auth.jwt()
  returns jsonb
  language plpgsql stable parallel restricted
  set search_path = pg_catalog, pg_temp
as $$
begin
  return tenancy.claims();
end $$;

grant execute on function auth.jwt to ward_app, ward_reader, ward_reviewer, ward_worker;
