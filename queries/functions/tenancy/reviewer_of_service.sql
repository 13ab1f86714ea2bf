-- A reviewer who may do that wherever the account works: its secret opens all of them.
create or replace function tenancy.reviewer_of_service(action text, service uuid)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer(action);
begin
  if not tenancy.reaches_all(who, action)
    and (
      exists (
        select from tenancy.membership m
        where m.user_id = service and m.terminated_at is null and not tenancy.reaches(who, m.tenant_id, action)
      )
      or not exists (select from tenancy.membership m where m.user_id = service and m.terminated_at is null)
    )
  then
    raise exception 'this service account works at clinics that you do not reach, or at none'
      using errcode = '42501', hint = 'ask an administrator of the installation';
  end if;
  return who;
end $$;
