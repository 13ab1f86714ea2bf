-- One change: checks the version that the reviewer saw, records the event, then the transition. Whoever holds the claim
-- and works holds it for 30 minutes more. extra: more for the event.
create or replace function review.change(
  a review.anomaly,
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
  e bigint;
  now_is review.anomaly := review.locked_at_version(a.id, expected_version);
begin
  -- a is what the caller judged: whoever names a version that is yet to come, and waits for the lock, was judged by the
  -- one before
  if a.version is distinct from expected_version then
    raise exception 'somebody changed this anomaly while you did'
      using errcode = 'WARD1', hint = 'look at it again, then decide';
  end if;
  e := audit.write(
    a.tenant_id, action, 'ok',
    jsonb_strip_nulls(
      jsonb_build_object(
        'anomaly', a.id, 'from', now_is.state, 'to', to_state, 'version', expected_version + 1,
        'disposition', disposition, 'reason', reason
      ) || extra
    )::text,
    null, null, a.subject_id, 'audit'
  );
  update review.anomaly x
  set state = to_state, version = expected_version + 1,
    lease_until = case
      when x.assigned_to = who and x.lease_until is not null then clock_timestamp() + interval '30 minutes'
      else x.lease_until
    end
  where x.id = a.id;
  insert into review.transition (
    anomaly_id, version, from_state, to_state, by_user, reason, disposition, evidence, event_id, batch_id
  )
  values (
    a.id, expected_version + 1, now_is.state, to_state, who, reason, disposition, now_is.evidence_count, e,
    (extra->>'batch_id')::uuid
  );
  return jsonb_build_object('id', a.id, 'state', to_state, 'version', expected_version + 1, 'event_id', e);
end $$;
