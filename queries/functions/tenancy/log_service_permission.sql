-- A trigger: keeps the history of what service accounts were declared to do, for the rules.
create or replace function tenancy.log_service_permission()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare line tenancy.service_permission := case when tg_op = 'DELETE' then old else new end;
begin
  insert into tenancy.service_permission_log (user_id, tenant_id, action, record_table, from_hour, to_hour, removed)
  values (line.user_id, line.tenant_id, line.action, line.record_table, line.from_hour, line.to_hour, tg_op = 'DELETE');
  return null;
end $$;
