-- Whom a reviewer sees: everybody, for a reach of every clinic; else who ever was a member of a clinic within it. Who
-- reviews a clinic or is on call there is seen in tenancy.list_grants and tenancy.list_on_call.
create or replace function tenancy.sees_user(who uuid, person uuid)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select person = who
    or tenancy.reaches_all(who, 'browse')
    or exists (
      select from tenancy.membership m where m.user_id = person and tenancy.reaches(who, m.tenant_id, 'browse')
    )
$$;
