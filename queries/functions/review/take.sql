-- Taking over what is somebody else's, also while they edit: with a reason, which their next change will show them.
create or replace function review.take(anomaly text, expected_version int, reason text)
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
  if a.assigned_to is null or a.assigned_to = who then
    raise exception 'this anomaly is nobody else''s: claim it' using errcode = '55000';
  end if;
  r := review.change(
    a, expected_version, 'claim', case when a.state = 'new' then 'claimed' else a.state end, who,
    core.require_reason(reason), null,
    jsonb_build_object('taken_from', tenancy.slug_of(a.assigned_to))
  );
  update review.anomaly x set assigned_to = who, lease_until = clock_timestamp() + interval '30 minutes'
  where x.id = a.id;
  return r;
end $$;

grant execute on function review.take to ward_reviewer;
