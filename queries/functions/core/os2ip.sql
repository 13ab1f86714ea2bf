-- The unsigned number that big-endian bytes stand for (RFC 8017 4.2, OS2IP), seven bytes at a time.
create or replace function core.os2ip(b bytea)
  returns numeric
  language plpgsql immutable strict parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  v numeric := 0;
  head int := length(b) % 7;
  h text := encode(b, 'hex');
  i int;
begin
  if head > 0 then v := ('x' || lpad(left(h, head * 2), 16, '0'))::bit(64)::bigint; end if;
  for i in 0..length(b) / 7 - 1 loop
    v := v * 72057594037927936 + ('x00' || substr(h, head * 2 + i * 14 + 1, 14))::bit(64)::bigint;
  end loop;
  return v;
end $$;
