-- Adds a membership to a clinic. patient: for the role patient, whose records the portal identity reaches.
create or replace function tenancy.add_member(tenant text, who text, role text, patient uuid default null)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic uuid := tenancy.tenant_named(tenant, 'configure');
  person uuid := tenancy.user_named(who);
begin
  if exists (select from tenancy.users u where u.id = person and u.disabled_at is not null) then
    raise exception 'user % is disabled', who using errcode = '55000', hint = 'ward user enable comes first';
  end if;
  if exists (
    select from tenancy.membership m
    where m.tenant_id = clinic
      and m.user_id = person
      and m.role = add_member.role
      and m.patient_id is not distinct from patient
      and m.terminated_at is null
  ) then
    raise exception 'user % has the role % at % already', who, role, tenant
      using errcode = '23505', hint = 'ward member list shows it';
  end if;
  return tenancy.new_member(clinic, person => person, role => role, patient => patient, instead_of => null);
end $$;

grant execute on function tenancy.add_member to ward_reviewer;
