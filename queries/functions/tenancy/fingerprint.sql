-- Owner: ward_keys
-- A keyed hash for values that must be comparable and never readable (search terms).
create or replace function tenancy.fingerprint(value text)
  returns text
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$ select encode(public.hmac(convert_to(value, 'utf8'), secret, 'sha256'), 'hex') from tenancy.mac_key $$;

grant execute on function tenancy.fingerprint to ward_owner, ward_reader;
