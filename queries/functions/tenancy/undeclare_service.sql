-- Takes the lines of an action and table off the list, at one clinic or those that say every clinic. Returns how many.
create or replace function tenancy.undeclare_service(who text, action text, record_table text, tenant text default null)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  gate uuid := tenancy.reviewer('configure');
  u tenancy.users := tenancy.service_named(who);
  t uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'configure') end;
  tab text := tenancy.phi_table_named(record_table);
  n int;
begin
  perform tenancy.reviewer_of('configure', t);
  delete from tenancy.service_permission p
  where p.user_id = u.id
    and p.action = undeclare_service.action
    and p.record_table = tab
    and p.tenant_id is not distinct from t;
  get diagnostics n = row_count;
  if n = 0 then
    raise exception 'that is not on the list of %', u.slug using errcode = '02000', hint = 'ward service show shows it';
  end if;
  perform audit.write(
    coalesce(t, tenancy.installation()), 'configure', 'ok',
    jsonb_build_object(
      'what', 'service undeclare', 'user', u.id, 'action', action, 'table', tab, 'tenant', t, 'lines', n
    )::text
  );
  return n;
end $$;

grant execute on function tenancy.undeclare_service to ward_reviewer;
