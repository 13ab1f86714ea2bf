-- The signed-in reviewer, who may do that at the clinic, or (tenant null) at one of them at least; raises otherwise.
create or replace function tenancy.reviewer(
  action text, tenant uuid default null, claims jsonb default tenancy.claims()
)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewing(claims);
begin
  if not tenancy.reaches(who, tenant, action) then
    raise exception 'your grants do not let you % %',
      action, coalesce('at ' || (select t.slug from tenancy.tenant t where t.id = tenant), 'here')
      using errcode = '42501', hint = 'ward whoami lists your grants';
  end if;
  return who;
end $$;
