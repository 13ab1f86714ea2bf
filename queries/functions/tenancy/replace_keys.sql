-- Puts the keys of an issuer that were fetched in place of those that are there; ward_identity's one function besides
-- tenancy.issuers. The event names the login, since no person is signed in.
create or replace function tenancy.replace_keys(issuer text, keys jsonb)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  declared tenancy.issuer := tenancy.issuer_named(issuer);
  changed int;
begin
  perform from tenancy.issuer i where i.id = declared.id for update;
  changed := tenancy.put_keys(declared.id, keys);
  update tenancy.issuer i set fetched_at = clock_timestamp() where i.id = declared.id;
  if changed > 0 then
    perform audit.write_as(
      tenancy.installation(), who => null, session => null, membership => null, action => 'configure', outcome => 'ok',
      detail => jsonb_build_object(
        'what', 'oidc refresh', 'issuer', issuer, 'login', session_user, 'kids', tenancy.kids(declared.id)
      )::text
    );
  end if;
  return changed;
end $$;

grant execute on function tenancy.replace_keys to ward_identity;
