-- Asks the worker to compare the live events with the archive: only the worker may read every clinic's events.
create or replace function audit.request_live()
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('verify');
  event_id bigint;
begin
  event_id := audit.write(
    tenant => tenancy.installation(), action => 'verify', detail => '{"what": "live"}', purpose => 'audit'
  );
  insert into river.river_job (args, kind, max_attempts, queue, state)
  values (jsonb_build_object('requested_by', who, 'event_id', event_id), 'verify_live', 3, 'archive', 'available');
  return event_id;
end $$;

grant execute on function audit.request_live to ward_reviewer;
