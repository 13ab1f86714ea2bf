-- The one answer to an unknown user, a wrong password, a delay, and a person who has no place where they want to go:
-- somebody who is not signed in learns no more.
create or replace function tenancy.not_accepted()
  returns text
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$ select 'not_accepted: user, password or clinic not accepted' $$;
