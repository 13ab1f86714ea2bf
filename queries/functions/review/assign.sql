-- Assigns an anomaly to another reviewer, who claims it to edit it.
create or replace function review.assign(anomaly text, expected_version int, to_user text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'assign');
  who uuid := tenancy.user_id();
  assignee uuid := tenancy.user_named(to_user);
  changed jsonb;
begin
  if not tenancy.reaches(assignee, the_anomaly.tenant_id, 'claim') then
    raise exception 'no grant lets % claim anomalies of this clinic', to_user using errcode = '42501',
        hint = 'assign somebody who reviews it, or have an administrator add a grant: ward grant add';
  end if;
  perform review.require_no_conflict(assignee, the_anomaly.id, the_anomaly.actor_id, the_anomaly.subject_id);
  if the_anomaly.state in ('closed', 'merged', 'suppressed', 'pending_approval') then
    raise exception 'this anomaly is %: only an open one can be assigned', the_anomaly.state using errcode = '55000';
  end if;
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'assign',
    to_state => case when the_anomaly.state = 'new' then 'claimed' else the_anomaly.state end,
    who => who, reason => core.require_reason(reason)
  );
  update review.anomaly a set assigned_to = assignee, lease_until = null where a.id = the_anomaly.id;
  return changed;
end $$;

grant execute on function review.assign to ward_reviewer;
