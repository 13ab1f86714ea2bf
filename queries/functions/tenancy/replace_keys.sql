-- ward_identity's one function besides tenancy.issuers. The event names the login, since no person is signed in.
create or replace function tenancy.replace_keys(issuer text, keys jsonb)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  i tenancy.issuer := tenancy.issuer_named(issuer);
  n int;
begin
  perform from tenancy.issuer x where x.id = i.id for update;
  n := tenancy.put_keys(i.id, keys);
  update tenancy.issuer x set fetched_at = clock_timestamp() where x.id = i.id;
  if n > 0 then
    perform audit.write_as(
      tenancy.installation(), null, null, null, 'configure', 'ok',
      jsonb_build_object(
        'what', 'oidc refresh', 'issuer', issuer, 'login', session_user, 'kids', tenancy.kids(i.id)
      )::text
    );
  end if;
  return n;
end $$;

grant execute on function tenancy.replace_keys to ward_identity;
