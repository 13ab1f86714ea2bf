-- Owner: ward_keys
-- Has a second factor that counted for this user ended since?
create or replace function tenancy.totp_ended_since(who uuid, since timestamptz)
  returns boolean
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from tenancy.totp totp where totp.user_id = who and totp.active_at is not null and totp.ended_at > since
  )
$$;

grant execute on function tenancy.totp_ended_since to ward_owner;
