-- The worker's own events carry the service account ward-worker.
create or replace function audit.write_worker(tenant uuid, action text, detail text)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare id bigint;
begin
  if action not in ('rule_run', 'ship', 'seal_recover', 'prune', 'verify') then
    raise exception 'the worker does not %', action using errcode = '42501';
  end if;
  insert into audit.event (tenant_id, user_id, actor_kind, action, detail)
  values (
    coalesce(tenant, tenancy.installation()),
    (select u.id from tenancy.users u where u.slug = 'ward-worker'),
    'service', action, detail
  ) returning event_id into id;
  return id;
end $$;

grant execute on function audit.write_worker to ward_worker;
