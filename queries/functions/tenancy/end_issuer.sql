-- Ends an identity provider: its tokens are refused from then on.
create or replace function tenancy.end_issuer(issuer text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ended tenancy.issuer;
begin
  perform tenancy.reviewer_of('configure', tenant => null);
  ended := tenancy.issuer_named(end_issuer.issuer);
  update tenancy.issuer i set ended_at = clock_timestamp() where i.id = ended.id;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'oidc remove', 'issuer', issuer, 'reason', core.require_reason(reason))::text
  );
  return ended.id;
end $$;

grant execute on function tenancy.end_issuer to ward_reviewer;
