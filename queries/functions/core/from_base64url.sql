-- The bytes that base64url text without padding stands for (RFC 7515, appendix C).
create or replace function core.from_base64url(encoded text)
  returns bytea
  language plpgsql immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return decode(replace(replace(encoded, '-', '+'), '_', '/') || repeat('=', (4 - length(encoded) % 4) % 4), 'base64');
end $$;
