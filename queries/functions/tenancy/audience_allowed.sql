-- May this login use that audience? A login that has applications of its own uses those alone; another one those of the
-- roles it is a member of.
create or replace function tenancy.audience_allowed(aud text)
  returns boolean
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from tenancy.application a
    where a.aud = audience_allowed.aud
      and case
        when exists (select from tenancy.application own where own.login_role = session_user)
        then a.login_role = session_user
        else exists (
          select from pg_roles r where r.rolname = a.login_role and pg_has_role(session_user, r.oid, 'member')
        )
      end
  );
end $$;

grant execute on function tenancy.audience_allowed to ward_keys;
