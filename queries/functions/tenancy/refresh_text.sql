-- A refresh token from its parts (tenancy.refresh_mac).
create or replace function tenancy.refresh_text(session uuid, secret text)
  returns text
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select body || '.' || tenancy.refresh_mac(body)
  from (select replace(session::text, '-', '') || '.' || secret as body) x
$$;
