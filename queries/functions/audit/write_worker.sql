-- Writes one event of the worker, under its service account.
create or replace function audit.write_worker(tenant uuid, action text, detail text)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare event_id bigint;
begin
  if action not in ('rule_run', 'ship', 'seal_recover', 'prune', 'verify') then
    raise exception 'the worker may not write an event of action "%"', action
      using errcode = '42501', hint = 'its actions are rule_run, ship, seal_recover, prune and verify';
  end if;
  insert into audit.event as e (tenant_id, user_id, actor_kind, action, detail)
  values (
    coalesce(tenant, tenancy.installation()),
    tenancy.worker(),
    'service', action, detail
  ) returning e.event_id into event_id;
  return event_id;
end $$;

grant execute on function audit.write_worker to ward_worker;
