-- Ends this session.
create or replace function tenancy.sign_out()
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare claims jsonb := tenancy.claims();
begin
  if claims is null then
    raise exception 'nobody is signed in: tenancy.begin(token) comes first' using errcode = '28000';
  end if;
  perform audit.write(coalesce((claims->>'tid')::uuid, tenancy.installation()), 'sign_out');
  update tenancy.session set revoked_at = clock_timestamp(), revoke_reason = 'signed out'
  where session_id = (claims->>'sid')::uuid and revoked_at is null;
end $$;

grant execute on function tenancy.sign_out to ward_app, ward_reviewer;
