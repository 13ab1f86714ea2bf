-- Owner: ward_keys
-- The session that enrolled a user's active second factor; null without one.
create or replace function tenancy.totp_session(who uuid)
  returns uuid
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select totp.session_id
  from tenancy.totp totp
  where totp.user_id = who and totp.active_at is not null and totp.ended_at is null
$$;

grant execute on function tenancy.totp_session to ward_owner;
