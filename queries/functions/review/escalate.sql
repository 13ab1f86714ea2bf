create or replace function review.escalate(anomaly text, expected_version int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'escalate');
  who uuid := tenancy.user_id();
begin
  perform review.require_lease(a, who);
  return review.change(a, expected_version, 'escalate', 'escalated', who, core.require_reason(reason));
end $$;

grant execute on function review.escalate to ward_reviewer;
