-- The tenant of events that belong to no clinic.
create or replace function tenancy.installation()
  returns uuid
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare match uuid;
begin
  select t.id into match
  from tenancy.tenant t join tenancy.instance i on i.region = t.region
  where t.kind = 'installation';
  if match is null then raise exception 'ward is not initialised: run ward init' using errcode = '55000'; end if;
  return match;
end $$;

grant execute on function tenancy.installation to ward_worker;
