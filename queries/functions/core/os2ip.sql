-- The unsigned number that big-endian bytes stand for (RFC 8017 4.2, OS2IP), seven bytes at a time.
create or replace function core.os2ip(bytes bytea)
  returns numeric
  language plpgsql immutable strict parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  number numeric := 0;
  head int := length(bytes) % 7;
  hex text := encode(bytes, 'hex');
  group_no int;
begin
  if head > 0 then number := ('x' || lpad(left(hex, head * 2), 16, '0'))::bit(64)::bigint; end if;
  for group_no in 0..length(bytes) / 7 - 1 loop
    number := number * 72057594037927936 + ('x00' || substr(hex, head * 2 + group_no * 14 + 1, 14))::bit(64)::bigint;
  end loop;
  return number;
end $$;
