-- What is said to an unknown user, a wrong password, a delay, and a person who has no place where they want to go.
create or replace function tenancy.not_accepted()
  returns text
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$ select 'user, password or clinic not accepted' $$;
