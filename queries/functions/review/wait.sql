-- Notes that an anomaly waits for information from somebody else.
create or replace function review.wait(anomaly text, expected_version int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
begin
  perform review.require_lease(the_anomaly, who);
  if the_anomaly.state = 'escalated' then
    raise exception 'this anomaly is with the incident process: note there what is missing'
      using errcode = '55000', hint = 'ward queue note';
  end if;
  return review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'note', to_state => 'waiting_info',
    who => who, reason => core.require_reason(reason)
  );
end $$;

grant execute on function review.wait to ward_reviewer;
