-- Whether a person may do something at every one of some clinics.
create or replace function review.may_everywhere(who uuid, tenants uuid[], action text)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select not exists (select from unnest(tenants) tenant where not tenancy.reaches(who, tenant, action))
$$;
