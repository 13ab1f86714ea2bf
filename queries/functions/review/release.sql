create or replace function review.release(anomaly text, expected_version int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'assign');
  who uuid := tenancy.user_id();
  r jsonb;
begin
  perform review.require_lease(a, who);
  r := review.change(
    a, expected_version, 'assign', case when a.state = 'escalated' then a.state else 'new' end, who,
    core.require_reason(reason)
  );  -- an incident stays one
  update review.anomaly x set assigned_to = null, lease_until = null where x.id = a.id;
  return r;
end $$;

grant execute on function review.release to ward_reviewer;
