-- Asks the worker to prune a month, or (dry_run) to say whether it would. The event of the request is the
-- administrator's; the worker writes its own.
create or replace function audit.request_prune(month text, reason text, dry_run boolean, unlocked_store boolean)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('prune');
  first date;
  event_id bigint;
  args jsonb;
begin
  if not audit.prunes(who) then
    raise exception 'pruning a month removes the events of every clinic: it needs a grant over all clinics'
      using errcode = '42501', hint = 'ask an administrator over all clinics';
  end if;
  if month !~ '^[0-9]{4}-(0[1-9]|1[0-2])$' then
    raise exception '"%" is not a month: write it as YYYY-MM', month using errcode = '22023';
  end if;
  first := (month || '-01')::date;
  perform audit.may_prune(first);
  args := jsonb_build_object('month', month, 'dry_run', dry_run, 'unlocked_store', unlocked_store);
  event_id := audit.write(
    tenant => tenancy.installation(), action => 'prune',
    detail => (args || jsonb_build_object('what', 'request', 'reason', core.require_reason(reason)))::text,
    purpose => 'audit'
  );
  insert into river.river_job (args, kind, max_attempts, queue, state)
  values (args || jsonb_build_object('requested_by', who, 'event_id', event_id), 'prune', 3, 'archive', 'available');
  return event_id;
end $$;

grant execute on function audit.request_prune to ward_reviewer;
