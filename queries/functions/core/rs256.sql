-- Whether signature is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2.2) of signed under the key (n, e). numeric is
-- exact, so that s^e mod n is too. The block that a right signature yields is built and compared whole; nothing of what
-- the signature yields is parsed, because that is where such verifiers were broken (CVE-2006-4339 and its successors).
-- Both numbers stand for blocks of the same length, so that comparing them compares every byte. Refused: keys under
-- 2048 or over 4096 bits, small or even exponents, a signature of another length than the key's, and one that is not
-- below n.
create or replace function core.rs256(signed bytea, signature bytea, n bytea, e int)
  returns boolean
  language plpgsql immutable parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  k int := length(n);
  m numeric;
  s numeric;
  r numeric;
  i int;
begin
  if signed is null
    or signature is null
    or n is null
    or e is null
    or k not between 256 and 512
    or length(signature) <> k
    or e < 65537
    or e % 2 = 0
  then
    return false;
  end if;
  if get_byte(n, 0) < (case k when 256 then 128 else 1 end) or get_byte(n, k - 1) % 2 = 0 then return false; end if;
  m := core.os2ip(n);
  s := core.os2ip(signature);
  if s >= m then return false; end if;
  r := s;
  for i in reverse floor(log(2, e))::int - 1..0 loop
    r := mod(r * r, m);
    if (e >> i) & 1 = 1 then r := mod(r * s, m); end if;
  end loop;
  return r = core.os2ip(
    '\x0001'::bytea || decode(repeat('ff', k - 54), 'hex') || '\x003031300d060960864801650304020105000420'::bytea
    || sha256(signed)
  );
end $$;
