-- Owner: ward_keys
-- The hash under which a recovery code is kept; case and separators do not matter.
create or replace function tenancy.recovery_hash(code text)
  returns bytea
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$ select sha256(convert_to(upper(regexp_replace(code, '[^A-Za-z0-9]', '', 'g')), 'utf8')) $$;
