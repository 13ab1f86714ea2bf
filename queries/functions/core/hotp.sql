-- The six-digit code of one step (RFC 4226 5.3): dynamic truncation of HMAC-SHA-1 over the step as eight bytes.
create or replace function core.hotp(secret bytea, step bigint)
  returns text
  language plpgsql immutable strict
  set search_path = pg_catalog, pg_temp
as $$
declare
  h bytea := public.hmac(int8send(step), secret, 'sha1');
  at int := get_byte(h, 19) & 15;
begin
  return lpad(
    ((
      (get_byte(h, at) & 127) * 16777216 + get_byte(h, at + 1) * 65536 + get_byte(h, at + 2) * 256 + get_byte(h, at + 3)
    ) % 1000000)::text,
    6, '0'
  );
end $$;

grant execute on function core.hotp to ward_keys;
