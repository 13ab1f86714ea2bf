create or replace function review.assign(anomaly text, expected_version int, to_user text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'assign');
  who uuid := tenancy.user_id();
  u uuid := tenancy.user_named(to_user);
  r jsonb;
begin
  if not tenancy.reaches(u, a.tenant_id, 'claim') then
    raise exception '% does not review this clinic', to_user using errcode = '42501';
  end if;
  perform review.require_no_conflict(u, a.id, a.actor_id, a.subject_id);
  if a.state in ('closed', 'merged', 'suppressed', 'pending_approval') then
    raise exception 'this anomaly is %', a.state using errcode = '55000';
  end if;
  r := review.change(
    a, expected_version, 'assign', case when a.state = 'new' then 'claimed' else a.state end, who,
    core.require_reason(reason)
  );
  update review.anomaly x set assigned_to = u, lease_until = null where x.id = a.id;
  return r;
end $$;

grant execute on function review.assign to ward_reviewer;
