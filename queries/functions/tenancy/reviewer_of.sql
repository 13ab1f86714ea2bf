-- The signed-in reviewer, who may do that at the clinic, or (tenant null) at every one; raises otherwise.
create or replace function tenancy.reviewer_of(action text, tenant uuid)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer(action, tenant);
begin
  if tenant is null and not tenancy.reaches_all(who, action) then
    raise exception 'your grants reach single clinics, and to % for every clinic needs one that reaches them all',
      action
      using errcode = '42501', hint = 'name a clinic, or ask an administrator of the installation';
  end if;
  return who;
end $$;
