-- Owner: ward_keys
-- How often six digits were tried for an enrolment since the last success. A sequence, because whoever guesses inside
-- transactions that they roll back would take a row's count back too.
create or replace function tenancy.totp_tries(totp uuid)
  returns regclass
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$ select ('tenancy.totp_' || replace(totp::text, '-', ''))::regclass $$;
