create or replace function review.wait(anomaly text, seen int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
begin
  perform review.need_lease(a, who);
  if a.state = 'escalated' then
    raise exception 'this anomaly is with the incident process: note what is missing there' using errcode = 'WARD3';
  end if;
  return review.change(a, seen, 'note', 'waiting_info', who, core.require_reason(reason));
end $$;

grant execute on function review.wait to ward_reviewer;
