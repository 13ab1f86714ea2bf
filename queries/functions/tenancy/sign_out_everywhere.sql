-- Ends every session of this person, this one too, in every clinic and application; one event for each, in its clinic.
-- Returns how many.
create or replace function tenancy.sign_out_everywhere()
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  claims jsonb := tenancy.claims();
  live tenancy.session;
  ended int := 0;
begin
  if claims is null then
    raise exception 'nobody is signed in: tenancy.begin(token) comes first' using errcode = '28000';
  end if;
  -- events first: they are this session's, which ends here too
  for live in select * from tenancy.live_sessions((claims->>'sub')::uuid) loop
    perform audit.write(
      coalesce(live.tenant_id, tenancy.installation()), 'sign_out', 'ok',
      jsonb_build_object('everywhere', true, 'session', live.session_id)::text
    );
    ended := ended + 1;
  end loop;
  perform tenancy.end_sessions(array(
    select s.session_id from tenancy.session s where s.user_id = (claims->>'sub')::uuid and s.revoked_at is null
  ), 'signed out everywhere');
  return ended;
end $$;

grant execute on function tenancy.sign_out_everywhere to ward_app, ward_reviewer;
