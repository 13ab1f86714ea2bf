create or replace function tenancy.end_issuer(issuer text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare i tenancy.issuer;
begin
  perform tenancy.reviewer_of('configure', null);
  i := tenancy.issuer_named(end_issuer.issuer);
  update tenancy.issuer x set ended_at = clock_timestamp() where x.id = i.id;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'oidc remove', 'issuer', issuer, 'reason', core.require_reason(reason))::text
  );
  return i.id;
end $$;

grant execute on function tenancy.end_issuer to ward_reviewer;
