create or replace function review.reopen(anomaly text, expected_version int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'reopen');
  who uuid := tenancy.user_id();
  r jsonb;
begin
  if a.state not in ('closed', 'merged') then
    raise exception 'this anomaly is %, not closed', a.state using errcode = '55000';
  end if;
  if exists (select from review.anomaly x where x.key = a.key and x.id <> a.id and x.open) then
    raise exception 'it has happened again since: work the newer anomaly' using errcode = '55000';
  end if;
  r := review.change(a, expected_version, 'reopen', 'in_review', who, core.require_reason(reason));
  perform review.unclose(a.id);
  update review.anomaly x set assigned_to = who, lease_until = clock_timestamp() + interval '30 minutes'
  where x.id = a.id;
  perform review.settle(a.id, who);
  return r;
end $$;

grant execute on function review.reopen to ward_reviewer;
