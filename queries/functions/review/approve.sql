-- Approves the closing of an anomaly. accept false sends it back to the person who closed it.
create or replace function review.approve(anomaly text, expected_version int, accept boolean, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'approve');
  who uuid := tenancy.user_id();
  changed jsonb;
begin
  if the_anomaly.state <> 'pending_approval' then
    raise exception 'this anomaly is %: there is no closing to approve', the_anomaly.state
      using errcode = '55000', hint = 'ward queue show tells its history';
  end if;
  if the_anomaly.closed_by = any (tenancy.accounts_of(who)) then
    raise exception 'you closed this anomaly: somebody else approves it' using errcode = 'WARD2';
  end if;
  if accept then
    update review.anomaly a set approved_by = who where a.id = the_anomaly.id and a.version = expected_version;
    changed := review.change(
      anomaly => the_anomaly, expected_version => expected_version, action => 'approve',
      to_state => review.final_state(the_anomaly.disposition), who => who, reason => core.require_reason(reason),
      disposition => the_anomaly.disposition
    );
  else
    changed := review.change(
      anomaly => the_anomaly, expected_version => expected_version, action => 'reopen', to_state => 'in_review',
      who => who, reason => core.require_reason(reason)
    );
    perform review.unclose(the_anomaly.id);
  end if;
  perform review.settle(the_anomaly.id, who);
  return changed;
end $$;

grant execute on function review.approve to ward_reviewer;
