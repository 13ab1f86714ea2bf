-- Base32 (RFC 4648) of a multiple of five bytes, which needs no padding.
create or replace function core.base32(bytes bytea)
  returns text
  language sql immutable strict
  set search_path = pg_catalog, pg_temp
as $$
  select string_agg(
    substr(
      'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
      1 + ((
        get_byte(bytes, quintet * 5 / 8) * 256
        + case when quintet * 5 / 8 + 1 < length(bytes) then get_byte(bytes, quintet * 5 / 8 + 1) else 0 end
      ) >> (11 - quintet * 5 % 8)) % 32,
      1
    ),
    '' order by quintet
  )
  from generate_series(0, length(bytes) * 8 / 5 - 1) quintet
$$;

grant execute on function core.base32 to ward_keys;
