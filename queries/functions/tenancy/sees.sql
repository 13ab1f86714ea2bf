-- Whether a reviewer sees what is said of a clinic, or, for null, of every clinic.
create or replace function tenancy.sees(who uuid, tenant uuid)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when tenant is null then tenancy.reaches_all(who, 'browse')
    else tenancy.reaches(who, tenant, 'browse')
  end
$$;
