-- Gives an anomaly back to the queue. An escalated one stays an incident.
create or replace function review.release(anomaly text, expected_version int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'assign');
  who uuid := tenancy.user_id();
  changed jsonb;
begin
  perform review.require_lease(the_anomaly, who);
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'assign',
    to_state => case when the_anomaly.state = 'escalated' then the_anomaly.state else 'new' end,
    who => who, reason => core.require_reason(reason)
  );  -- an incident stays one
  update review.anomaly a set assigned_to = null, lease_until = null where a.id = the_anomaly.id;
  return changed;
end $$;

grant execute on function review.release to ward_reviewer;
