-- Declares an identity provider with its keys, and what it must vouch for (acr, amr) in place of ward's own code.
create or replace function tenancy.add_issuer(
  issuer text,
  client_id text,
  endpoints jsonb,
  keys jsonb,
  required_acr text[] default '{}',
  required_amr text[] default '{}'
)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer_of('configure', tenant => null);
  issuer_id uuid;
begin
  if exists (select from tenancy.issuer i where i.issuer = add_issuer.issuer and i.ended_at is null) then
    raise exception 'issuer % is declared already', issuer
      using errcode = '23505', hint = 'ward oidc remove ends the old declaration';
  end if;
  insert into tenancy.issuer (issuer, client_id, endpoints, required_acr, required_amr, declared_by)
  values (
    add_issuer.issuer, add_issuer.client_id, add_issuer.endpoints, coalesce(add_issuer.required_acr, '{}'),
    coalesce(add_issuer.required_amr, '{}'), who
  ) returning id into issuer_id;
  perform tenancy.put_keys(issuer_id, keys);
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object(
    'what', 'oidc add', 'issuer', issuer, 'client_id', client_id, 'acr', required_acr, 'amr', required_amr,
    'kids', tenancy.kids(issuer_id)
  )::text);
  return issuer_id;
end $$;

grant execute on function tenancy.add_issuer to ward_reviewer;
