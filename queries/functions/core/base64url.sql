-- Base64url without padding (RFC 7515, appendix C). What runs in every transaction is plpgsql: a SQL function that pins
-- its search_path cannot be inlined and is planned anew at each call.
create or replace function core.base64url(bytes bytea)
  returns text
  language plpgsql immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=');
end $$;

grant execute on function core.base64url to ward_keys;
