-- Reopens a closed or merged anomaly, unless a newer one of the same matter is open.
create or replace function review.reopen(anomaly text, expected_version int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'reopen');
  who uuid := tenancy.user_id();
  newer uuid;
  changed jsonb;
begin
  if the_anomaly.state not in ('closed', 'merged') then
    raise exception 'this anomaly is %: only a closed or merged one can be reopened', the_anomaly.state
      using errcode = '55000';
  end if;
  select a.id into newer
  from review.anomaly a
  where a.key = the_anomaly.key and a.id <> the_anomaly.id and a.open
  limit 1;
  if newer is not null then
    raise exception 'the same has happened again since: work the newer anomaly %', left(newer::text, 8)
      using errcode = '55000';
  end if;
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'reopen', to_state => 'in_review',
    who => who, reason => core.require_reason(reason)
  );
  perform review.unclose(the_anomaly.id);
  update review.anomaly a set assigned_to = who, lease_until = clock_timestamp() + review.edit_time()
  where a.id = the_anomaly.id;
  perform review.settle(the_anomaly.id, who);
  return changed;
end $$;

grant execute on function review.reopen to ward_reviewer;
