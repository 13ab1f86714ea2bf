-- Whether a session has shown a second factor that still counts: it enrolled the one that is active, or was opened with
-- one (ward's or the provider's) and none of this person's was replaced or removed since.
create or replace function tenancy.factor_shown(session uuid)
  returns boolean
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from tenancy.session s
    where s.session_id = session
      and (
        s.session_id = tenancy.totp_session(s.user_id)
        or s.second_factor and not tenancy.totp_ended_since(s.user_id, s.created_at)
      )
  );
end $$;
