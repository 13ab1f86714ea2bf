create or replace function review.claim(anomaly text, expected_version int)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'claim');
  who uuid := tenancy.user_id();
  r jsonb;
begin
  perform review.require_claimable(a);
  if a.assigned_to is distinct from who and a.lease_until > clock_timestamp() then
    raise exception '% is editing this anomaly until %',
      tenancy.slug_of(a.assigned_to), to_char(a.lease_until at time zone 'UTC', 'HH24:MI "UTC"')
      using errcode = 'WARD3', hint = 'ask, or take it over with a reason';
  end if;
  -- what somebody has begun, or was given, is theirs; a claim that nothing came of is not
  if a.assigned_to <> who and a.state <> 'new' and not (a.state = 'claimed' and a.lease_until is not null) then
    raise exception 'this anomaly is %''s', tenancy.slug_of(a.assigned_to)
      using errcode = 'WARD3', hint = 'take it over with a reason';
  end if;
  r := review.change(
    a, expected_version, 'claim', case when a.state = 'new' then 'claimed' else a.state end, who, null
  );
  update review.anomaly x set assigned_to = who, lease_until = clock_timestamp() + interval '30 minutes'
  where x.id = a.id;
  return r;
end $$;

grant execute on function review.claim to ward_reviewer;
