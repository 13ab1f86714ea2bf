-- A trigger: a session is held to the login of its application.
create or replace function tenancy.login_of_session()
  returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  new.login_role := (select a.login_role from tenancy.application a where a.aud = new.aud);
  return new;
end $$;
