-- Ends every session of this person, this one too, in every clinic and application; one event for each, in its clinic.
-- Returns how many.
create or replace function tenancy.sign_out_everywhere()
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  c jsonb := tenancy.claims();
  s tenancy.session;
  n int := 0;
begin
  if c is null then raise exception 'nobody is signed in' using errcode = '28000'; end if;
  -- events first: they are this session's, which ends here too
  for s in select * from tenancy.live_sessions((c->>'sub')::uuid) loop
    perform audit.write(
      coalesce(s.tenant_id, tenancy.installation()), 'sign_out', 'ok',
      jsonb_build_object('everywhere', true, 'session', s.session_id)::text
    );
    n := n + 1;
  end loop;
  perform tenancy.end_sessions(array(
    select x.session_id from tenancy.session x where x.user_id = (c->>'sub')::uuid and x.revoked_at is null
  ), 'signed out everywhere');
  return n;
end $$;

grant execute on function tenancy.sign_out_everywhere to ward_app, ward_reviewer;
