-- Asks the worker to hold the live events against the archive: only it may read every clinic's events.
create or replace function audit.request_live()
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('verify');
  e bigint;
begin
  e := audit.write(tenancy.installation(), 'verify', 'ok', '{"what": "live"}', null, null, null, 'audit');
  insert into river.river_job (args, kind, max_attempts, queue, state)
  values (jsonb_build_object('requested_by', who, 'event_id', e), 'verify_live', 3, 'archive', 'available');
  return e;
end $$;

grant execute on function audit.request_live to ward_reviewer;
