-- A session is within reach where its clinic is; a reviewer's, which has none, for a reach over every clinic.
create or replace function tenancy.reaches_session(who uuid, session tenancy.session, action text)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when session.tenant_id is not null then tenancy.reaches(who, session.tenant_id, action)
    else exists (
      select from tenancy.grant_in_force g
        join tenancy.reviewer_action a on a.role = g.role and a.action = reaches_session.action
      where g.user_id = who
        and g.tenant_id is null
    )
  end
$$;
