-- the tenant of events that belong to no clinic
create or replace function tenancy.installation()
  returns uuid
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare t uuid;
begin
  select t0.id into t
  from tenancy.tenant t0 join tenancy.instance i on i.region = t0.region
  where t0.kind = 'installation';
  if t is null then raise exception 'ward is not initialised: run ward init' using errcode = '55000'; end if;
  return t;
end $$;

grant execute on function tenancy.installation to ward_worker;
