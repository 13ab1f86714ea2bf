-- The session of a refresh token that ward made, however long ago; null for anything else. The MACs are compared
-- hashed, so that the time tells nothing.
create or replace function tenancy.refresh_session(token text)
  returns uuid
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select case
    when token ~ '^[0-9a-f]{32}[.][0-9a-f]{64}[.][0-9a-f]{32}$'
      and tenancy.fingerprint(right(token, 32)) = tenancy.fingerprint(tenancy.refresh_mac(left(token, 97)))
    then left(token, 32)::uuid
  end
$$;
