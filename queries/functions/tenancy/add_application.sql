-- Declares an application: its audience, and the login that its sessions are held to.
create or replace function tenancy.add_application(aud text, login_role text, note text default '')
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer_of('configure', tenant => null);
  if exists (select from tenancy.application a where a.aud = add_application.aud) then
    raise exception 'there is an application "%" already', aud
      using errcode = '23505', hint = 'ward application list shows them';
  end if;
  if not exists (
    select from pg_roles r
    where r.rolname = login_role
      and r.rolcanlogin
      and pg_has_role(r.oid, 'ward_app', 'member')
      and not pg_has_role(r.oid, 'ward_owner', 'member')
  ) then
    raise exception '"%" is not a login with the rights of ward_app and no more', login_role
      using errcode = '22023', hint = 'make one: create role ... login in role ward_app';
  end if;
  insert into tenancy.application (aud, login_role, note)
  values (add_application.aud, add_application.login_role, coalesce(add_application.note, ''));
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'application add', 'aud', aud, 'login_role', login_role)::text
  );
  return aud;
end $$;

grant execute on function tenancy.add_application to ward_reviewer;
