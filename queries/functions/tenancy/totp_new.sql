-- Owner: ward_keys
-- A new secret that counts for nothing until totp_activate; an earlier one that was never confirmed ends.
create or replace function tenancy.totp_new(who uuid, session uuid)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare secret bytea := public.gen_random_bytes(20);
begin
  update tenancy.totp totp set ended_at = clock_timestamp()
  where totp.user_id = who and totp.active_at is null and totp.ended_at is null;
  insert into tenancy.totp (user_id, secret, session_id) values (who, secret, session);
  return core.base32(secret);
end $$;

grant execute on function tenancy.totp_new to ward_owner;
