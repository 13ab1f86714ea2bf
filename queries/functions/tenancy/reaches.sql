-- May this reviewer do that there? tenant null: anywhere at all (what is shown is then cut to the reach).
create or replace function tenancy.reaches(who uuid, tenant uuid, action text)
  returns boolean
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from tenancy.grant_in_force g join tenancy.reviewer_action a on a.role = g.role and a.action = reaches.action
    where g.user_id = who
      and (g.tenant_id is null or tenant is null or g.tenant_id = tenant)
  );
end $$;
