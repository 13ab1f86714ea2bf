-- Makes one change of an anomaly: checks the version that the reviewer saw, writes the event, then the transition. A
-- holder whose claim has not run out gets review.edit_time() anew. extra: more for the event.
create or replace function review.change(
  anomaly review.anomaly,
  expected_version int,
  action text,
  to_state text,
  who uuid,
  reason text,
  disposition text default null,
  extra jsonb default '{}'
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  event_id bigint;
  now_is review.anomaly := review.locked_at_version(anomaly.id, expected_version);
begin
  -- The caller judged the anomaly as it was passed. Somebody who names a version that is yet to come, and waits for the
  -- lock, was judged by the version before.
  if anomaly.version is distinct from expected_version then
    raise exception 'somebody changed this anomaly while you did'
      using errcode = 'WARD1', hint = 'look at it again, then decide';
  end if;
  event_id := audit.write(tenant => anomaly.tenant_id, action => action, detail => jsonb_strip_nulls(
    jsonb_build_object(
      'anomaly', anomaly.id, 'from', now_is.state, 'to', to_state, 'version', expected_version + 1,
      'disposition', disposition, 'reason', reason
    ) || extra
  )::text, subject_id => anomaly.subject_id, purpose => 'audit');
  update review.anomaly a
  set state = to_state, version = expected_version + 1,
    lease_until = case
      when a.assigned_to = who and a.lease_until is not null then clock_timestamp() + review.edit_time()
      else a.lease_until
    end
  where a.id = anomaly.id;
  insert into review.transition (
    anomaly_id, version, from_state, to_state, by_user, reason, disposition, evidence, event_id, batch_id
  )
  values (
    anomaly.id, expected_version + 1, now_is.state, to_state, who, reason, disposition, now_is.evidence_count, event_id,
    (extra->>'batch_id')::uuid
  );
  return jsonb_build_object('id', anomaly.id, 'state', to_state, 'version', expected_version + 1, 'event_id', event_id);
end $$;
