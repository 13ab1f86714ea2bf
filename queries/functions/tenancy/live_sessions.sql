-- The live sessions of a user, in one order, so that callers lock them in the same one.
create or replace function tenancy.live_sessions(who uuid)
  returns setof tenancy.session
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  select s.*
  from tenancy.session s
  where s.user_id = who and s.revoked_at is null and s.expires_at > clock_timestamp()
  order by s.session_id
$$;
