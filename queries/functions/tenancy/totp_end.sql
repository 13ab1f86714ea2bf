-- Owner: ward_keys
-- Ends a user's second factor. Whether one counted.
create or replace function tenancy.totp_end(who uuid)
  returns boolean
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  active boolean := exists (
    select from tenancy.totp totp where totp.user_id = who and totp.active_at is not null and totp.ended_at is null
  );
begin
  update tenancy.totp totp set ended_at = clock_timestamp() where totp.user_id = who and totp.ended_at is null;
  return active;
end $$;

grant execute on function tenancy.totp_end to ward_owner;
