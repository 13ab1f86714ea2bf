-- Whether signature is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2.2) of signed under the key (modulus, exponent).
-- numeric is exact, so that signature^exponent mod modulus is too. The block that a right signature yields is built and
-- compared whole; nothing of what the signature yields is parsed, because that is where such verifiers were broken
-- (CVE-2006-4339 and its successors).
-- Both numbers stand for blocks of the same length, so that comparing them compares every byte. Refused: keys under
-- 2048 or over 4096 bits, small or even exponents, a signature of another length than the key's, and one that is not
-- below the modulus.
create or replace function core.rs256(signed bytea, signature bytea, modulus bytea, exponent int)
  returns boolean
  language plpgsql immutable parallel safe
  set search_path = pg_catalog, pg_temp
as $$
declare
  size int := length(modulus);
  modulus_number numeric;
  signature_number numeric;
  block numeric;
  bit_no int;
begin
  if signed is null
    or signature is null
    or modulus is null
    or exponent is null
    or size not between 256 and 512
    or length(signature) <> size
    or exponent < 65537
    or exponent % 2 = 0
  then
    return false;
  end if;
  if get_byte(modulus, 0) < (case size when 256 then 128 else 1 end) or get_byte(modulus, size - 1) % 2 = 0 then
    return false;
  end if;
  modulus_number := core.os2ip(modulus);
  signature_number := core.os2ip(signature);
  if signature_number >= modulus_number then return false; end if;
  block := signature_number;
  for bit_no in reverse floor(log(2, exponent))::int - 1..0 loop
    block := mod(block * block, modulus_number);
    if (exponent >> bit_no) & 1 = 1 then block := mod(block * signature_number, modulus_number); end if;
  end loop;
  return block = core.os2ip(
    '\x0001'::bytea || decode(repeat('ff', size - 54), 'hex') || '\x003031300d060960864801650304020105000420'::bytea
    || sha256(signed)
  );
end $$;
