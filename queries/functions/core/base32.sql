-- RFC 4648, without padding; a multiple of five bytes.
create or replace function core.base32(b bytea)
  returns text
  language sql immutable strict
  set search_path = pg_catalog, pg_temp
as $$
  select string_agg(
    substr(
      'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
      1 + ((
        get_byte(b, i * 5 / 8) * 256 + case when i * 5 / 8 + 1 < length(b) then get_byte(b, i * 5 / 8 + 1) else 0 end
      ) >> (11 - i * 5 % 8)) % 32,
      1
    ),
    '' order by i
  )
  from generate_series(0, length(b) * 8 / 5 - 1) i
$$;

grant execute on function core.base32 to ward_keys;
