-- Claims an anomaly: assigned to the reviewer, who may edit it for review.edit_time().
create or replace function review.claim(anomaly text, expected_version int)
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
  if the_anomaly.assigned_to is distinct from who and the_anomaly.lease_until > clock_timestamp() then
    raise exception '% is editing this anomaly until %',
      tenancy.slug_of(the_anomaly.assigned_to), to_char(the_anomaly.lease_until at time zone 'UTC', 'HH24:MI "UTC"')
      using errcode = 'WARD3', hint = 'ask, or take it over with a reason';
  end if;
  -- what somebody has begun, or was given, is theirs; a claim that nothing came of is not
  if the_anomaly.assigned_to <> who
    and the_anomaly.state <> 'new'
    and not (the_anomaly.state = 'claimed' and the_anomaly.lease_until is not null)
  then
    raise exception 'this anomaly is %''s', tenancy.slug_of(the_anomaly.assigned_to)
      using errcode = 'WARD3', hint = 'take it over with a reason';
  end if;
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'claim',
    to_state => case when the_anomaly.state = 'new' then 'claimed' else the_anomaly.state end,
    who => who, reason => null
  );
  update review.anomaly a set assigned_to = who, lease_until = clock_timestamp() + review.edit_time()
  where a.id = the_anomaly.id;
  return changed;
end $$;

grant execute on function review.claim to ward_reviewer;
