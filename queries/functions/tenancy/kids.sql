-- The names of the live keys of an identity provider.
create or replace function tenancy.kids(issuer uuid)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(k.kid order by k.kid), '[]')
  from tenancy.issuer_key k
  where k.issuer_id = kids.issuer and k.retired_at is null
$$;
