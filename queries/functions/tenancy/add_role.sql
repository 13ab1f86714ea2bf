-- Adds a role inside clinics. Roles are the installation's: a change reaches every clinic, at the next ask.
create or replace function tenancy.add_role(name text, note text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer_of('configure', tenant => null);
  if exists (select from tenancy.role r where r.name = add_role.name) then
    raise exception 'there is a role "%" already', name
      using errcode = '23505', hint = 'ward role permit widens it';
  end if;
  insert into tenancy.role (name, note) values (add_role.name, add_role.note);
  perform audit.write(
    tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'role add', 'role', name)::text
  );
end $$;

grant execute on function tenancy.add_role to ward_reviewer;
