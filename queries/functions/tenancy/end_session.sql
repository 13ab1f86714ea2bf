-- Ends a session, and says so in its clinic. Reachable from ward's functions only.
create or replace function tenancy.end_session(s tenancy.session, why text)
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  update tenancy.session x set revoked_at = clock_timestamp(), revoke_reason = why
  where x.session_id = s.session_id and x.revoked_at is null
$$;
