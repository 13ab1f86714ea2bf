-- A reviewer whose grant reaches every clinic. tenancy.reviewer(action) alone asks for any reach at all, which is
-- enough for what is then cut to it only.
create or replace function tenancy.reaches_all(who uuid, action text)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from tenancy.grant_in_force g
      join tenancy.reviewer_action a on a.role = g.role and a.action = reaches_all.action
    where g.user_id = who
      and g.tenant_id is null
  )
$$;
