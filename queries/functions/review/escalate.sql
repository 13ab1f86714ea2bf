-- Escalates an anomaly to the incident process.
create or replace function review.escalate(anomaly text, expected_version int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'escalate');
  who uuid := tenancy.user_id();
begin
  perform review.require_lease(the_anomaly, who);
  return review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'escalate', to_state => 'escalated',
    who => who, reason => core.require_reason(reason)
  );
end $$;

grant execute on function review.escalate to ward_reviewer;
