create or replace function review.wait(anomaly text, expected_version int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
begin
  perform review.require_lease(a, who);
  if a.state = 'escalated' then
    raise exception 'this anomaly is with the incident process: note what is missing there' using errcode = '55000';
  end if;
  return review.change(a, expected_version, 'note', 'waiting_info', who, core.require_reason(reason));
end $$;

grant execute on function review.wait to ward_reviewer;
