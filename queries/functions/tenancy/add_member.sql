-- patient: for the role patient, whose records the portal identity reaches.
create or replace function tenancy.add_member(tenant text, who text, role text, patient uuid default null)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t uuid := tenancy.tenant_named(tenant, 'configure');
  u uuid := tenancy.user_named(who);
begin
  if exists (select from tenancy.users x where x.id = u and x.disabled_at is not null) then
    raise exception '% is disabled', who using errcode = '55000', hint = 'ward user enable comes first';
  end if;
  if exists (
    select from tenancy.membership x
    where x.tenant_id = t
      and x.user_id = u
      and x.role = add_member.role
      and x.patient_id is not distinct from patient
      and x.terminated_at is null
  ) then
    raise exception '% is % at % already', who, role, tenant using errcode = '23505';
  end if;
  return tenancy.new_member(t, u, role, patient, null);
end $$;

grant execute on function tenancy.add_member to ward_reviewer;
