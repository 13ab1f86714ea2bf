-- Owner: ward_keys
-- A compact JWS (RFC 7515) with HS256, signed with the newest live key. The key never leaves this function. Keys whose
-- time has come lose their secret first.
create or replace function tenancy.sign(claims jsonb)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  key record;
  signed text;
begin
  update tenancy.signing_key set retired_at = retire_at, secret = null
  where retired_at is null and retire_at <= clock_timestamp();
  select head, secret into key
  from tenancy.signing_key
  where retired_at is null and retire_at is null
  order by created_at desc limit 1;
  if not found then raise exception 'ward is not initialised: run ward init' using errcode = '55000'; end if;
  signed := key.head || '.' || core.base64url(convert_to(claims::text, 'utf8'));
  return signed || '.' || core.base64url(public.hmac(convert_to(signed, 'utf8'), key.secret, 'sha256'));
end $$;

grant execute on function tenancy.sign to ward_owner;
