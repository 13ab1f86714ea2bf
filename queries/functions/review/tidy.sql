-- Does what time alone changes, with an event of the worker's for each, and returns how many. A claim without an edit
-- for review.edit_time() is new again (it stays assigned), and an undetermined anomaly comes back on its day.
create or replace function review.tidy()
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  anomaly review.anomaly;
  changed int := 0;
  event_id bigint;
  worker uuid := tenancy.worker();
  back boolean;
  why text;
begin
  for anomaly in
    select *
    from review.anomaly a
    where (a.state = 'claimed' and a.lease_until < clock_timestamp())
      or (a.review_on <= core.today() and a.state = 'closed'
        and not exists (select from review.anomaly newer where newer.key = a.key and newer.id <> a.id and newer.open))
    order by a.id limit 500 for update skip locked
  loop
    back := anomaly.state = 'closed';
    why := case
      when back then 'undetermined: the day to look again has come'
      else format('nobody edited it for %s minutes', extract(epoch from review.edit_time())::int / 60)
    end;
    insert into audit.event as e (tenant_id, user_id, actor_kind, action, subject_id, purpose, detail)
    values (
      anomaly.tenant_id, worker, 'service', case when back then 'reopen' else 'assign' end, anomaly.subject_id,
      'system',
      jsonb_build_object(
        'anomaly', anomaly.id, 'from', anomaly.state, 'to', 'new', 'version', anomaly.version + 1, 'reason', why
      )::text
    ) returning e.event_id into event_id;
    update review.anomaly a
    set state = 'new', version = anomaly.version + 1, lease_until = null,
      assigned_to = case when not back then a.assigned_to end
    where a.id = anomaly.id;
    if back then perform review.unclose(anomaly.id); end if;
    insert into review.transition (anomaly_id, version, from_state, to_state, reason, evidence, event_id)
    values (anomaly.id, anomaly.version + 1, anomaly.state, 'new', why, anomaly.evidence_count, event_id);
    perform review.settle(anomaly.id, worker);
    changed := changed + 1;
  end loop;
  return changed;
end $$;

grant execute on function review.tidy to ward_worker;
