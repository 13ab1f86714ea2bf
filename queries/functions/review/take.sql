-- Takes over an anomaly from another reviewer, also while they edit it. It needs a reason, which their next change
-- will show them.
create or replace function review.take(anomaly text, expected_version int, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'claim');
  who uuid := tenancy.user_id();
  changed jsonb;
begin
  perform review.require_claimable(the_anomaly);
  if the_anomaly.assigned_to is null or the_anomaly.assigned_to = who then
    raise exception 'this anomaly is nobody else''s: claim it' using errcode = '55000';
  end if;
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'claim',
    to_state => case when the_anomaly.state = 'new' then 'claimed' else the_anomaly.state end,
    who => who, reason => core.require_reason(reason),
    extra => jsonb_build_object('taken_from', tenancy.slug_of(the_anomaly.assigned_to))
  );
  update review.anomaly a set assigned_to = who, lease_until = clock_timestamp() + review.edit_time()
  where a.id = the_anomaly.id;
  return changed;
end $$;

grant execute on function review.take to ward_reviewer;
