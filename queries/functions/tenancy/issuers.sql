-- The declared identity providers: what a client needs to know before anybody is signed in. No secret.
create or replace function tenancy.issuers()
  returns table (issuer text, client_id text)
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$ select i.issuer, i.client_id from tenancy.issuer i where i.ended_at is null order by i.declared_at $$;

grant execute on function tenancy.issuers to ward_app, ward_identity, ward_reviewer;
