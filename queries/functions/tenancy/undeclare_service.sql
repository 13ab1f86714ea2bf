-- Takes the lines of an action and table off the list, at one clinic or those that say every clinic. Returns how many.
create or replace function tenancy.undeclare_service(who text, action text, record_table text, tenant text default null)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  gate uuid := tenancy.reviewer('configure');
  account tenancy.users := tenancy.service_named(who);
  clinic uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'configure') end;
  table_name text := tenancy.phi_table_named(record_table);
  removed int;
begin
  perform tenancy.reviewer_of('configure', clinic);
  delete from tenancy.service_permission p
  where p.user_id = account.id
    and p.action = undeclare_service.action
    and p.record_table = table_name
    and p.tenant_id is not distinct from clinic;
  get diagnostics removed = row_count;
  if removed = 0 then
    raise exception 'service account % has not declared % of % there', account.slug, action, table_name
      using errcode = '02000', hint = 'ward service show shows what it has declared';
  end if;
  perform audit.write(
    coalesce(clinic, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object(
      'what', 'service undeclare', 'user', account.id, 'action', action, 'table', table_name, 'tenant', clinic,
      'lines', removed
    )::text
  );
  return removed;
end $$;

grant execute on function tenancy.undeclare_service to ward_reviewer;
