-- The six-digit code of one step (RFC 4226 5.3): dynamic truncation of HMAC-SHA-1 over the step as eight bytes.
create or replace function core.hotp(secret bytea, step bigint)
  returns text
  language plpgsql immutable strict
  set search_path = pg_catalog, pg_temp
as $$
declare
  mac bytea := public.hmac(int8send(step), secret, 'sha1');
  start int := get_byte(mac, 19) & 15;
begin
  return lpad(
    ((
      (get_byte(mac, start) & 127) * 16777216 + get_byte(mac, start + 1) * 65536 + get_byte(mac, start + 2) * 256
      + get_byte(mac, start + 3)
    ) % 1000000)::text,
    6, '0'
  );
end $$;

grant execute on function core.hotp to ward_keys;
