-- accept false sends it back to the one who closed it.
create or replace function review.approve(anomaly text, expected_version int, accept boolean, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'approve');
  who uuid := tenancy.user_id();
  r jsonb;
begin
  if a.state <> 'pending_approval' then
    raise exception 'this anomaly is %: there is no closing to approve', a.state using errcode = '55000';
  end if;
  if a.closed_by = any (tenancy.accounts_of(who)) then
    raise exception 'you closed this anomaly: somebody else approves it' using errcode = 'WARD2';
  end if;
  if accept then
    update review.anomaly x set approved_by = who where x.id = a.id and x.version = expected_version;
    r := review.change(
      a, expected_version, 'approve', review.final_state(a.disposition), who, core.require_reason(reason), a.disposition
    );
  else
    r := review.change(a, expected_version, 'reopen', 'in_review', who, core.require_reason(reason));
    perform review.unclose(a.id);
  end if;
  perform review.settle(a.id, who);
  return r;
end $$;

grant execute on function review.approve to ward_reviewer;
