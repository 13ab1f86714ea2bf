-- Declares what a service account does: a line with action, table, clinic (null: every one) and hours of the day in
-- UTC, from inclusive, to exclusive. The newest word on the same action, table, clinic and first hour holds.
create or replace function tenancy.declare_service(
  who text, action text, record_table text, tenant text default null, from_hour int default 0, to_hour int default 24
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  gate uuid := tenancy.reviewer('configure');
  account tenancy.users := tenancy.service_named(who);
  clinic uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'configure') end;
  table_name text := tenancy.phi_table_named(record_table);
begin
  perform tenancy.reviewer_of('configure', clinic);
  if action not in ('view', 'create', 'modify', 'delete', 'export') then
    raise exception 'the action must be view, create, modify, delete or export' using errcode = '22023';
  end if;
  if from_hour is null or to_hour is null or from_hour < 0 or to_hour > 24 or from_hour >= to_hour then
    raise exception 'the hours must lie between 0 and 24 (UTC), the first before the last: declare a night as two spans'
      using errcode = '22023';
  end if;
  insert into tenancy.service_permission as p (user_id, tenant_id, action, record_table, from_hour, to_hour)
  values (account.id, clinic, declare_service.action, table_name, declare_service.from_hour, declare_service.to_hour)
  on conflict on constraint service_declared do update set to_hour = excluded.to_hour;
  perform audit.write(
    coalesce(clinic, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object(
      'what', 'service declare', 'user', account.id, 'action', action, 'table', table_name, 'tenant', clinic,
      'hours', from_hour || '-' || to_hour
    )::text
  );
end $$;

grant execute on function tenancy.declare_service to ward_reviewer;
