create or replace function tenancy.log_service_permission()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare p tenancy.service_permission := case when tg_op = 'DELETE' then old else new end;
begin
  insert into tenancy.service_permission_log (user_id, tenant_id, action, record_table, from_hour, to_hour, removed)
  values (p.user_id, p.tenant_id, p.action, p.record_table, p.from_hour, p.to_hour, tg_op = 'DELETE');
  return null;
end $$;
