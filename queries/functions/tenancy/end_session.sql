-- Ends one session. Its caller writes the event.
create or replace function tenancy.end_session(session tenancy.session, why text)
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  update tenancy.session s set revoked_at = clock_timestamp(), revoke_reason = why
  where s.session_id = session.session_id and s.revoked_at is null
$$;
