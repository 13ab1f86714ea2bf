-- The MAC of a refresh token, which is "session.secret.mac" in hex. The secret of the next one follows from this one by
-- a keyed hash: whoever presents a token again within its time gets the same successor, so that a family never has two
-- branches, and only SHA-256 need be kept.
create or replace function tenancy.refresh_mac(body text)
  returns text
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$ select left(tenancy.fingerprint('refresh token|' || body), 32) $$;
