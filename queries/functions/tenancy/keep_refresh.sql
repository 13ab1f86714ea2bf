-- Keeps the SHA-256 of a refresh token; the token itself is kept nowhere.
create or replace function tenancy.keep_refresh(token text, session uuid)
  returns void
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into tenancy.refresh_token (sha256, session_id) values (sha256(convert_to(token, 'utf8')), session)
$$;
