create or replace function review.confirm(anomaly text, expected_version int, accept boolean, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'approve');
  who uuid := tenancy.user_id();
  r jsonb;
  d record;
begin
  select * into d
  from review.discovery x
  where x.anomaly_id = a.id
    and x.answers is null
    and not exists (select from review.discovery y where y.answers = x.id);
  if not found then raise exception 'no other date of discovery is proposed' using errcode = '55000'; end if;
  if d.by_user = any (tenancy.accounts_of(who)) then
    raise exception 'you proposed this date: somebody else confirms it' using errcode = 'WARD2';
  end if;
  r := review.change(
    a, expected_version, 'approve', a.state, who, core.require_reason(reason), null,
    jsonb_build_object('discovered_on', d.discovered_on, 'accepted', accept)
  );
  insert into review.discovery (anomaly_id, answers, accepted, reason, by_user, event_id)
  values (a.id, d.id, accept, core.require_reason(reason), who, (r->>'event_id')::bigint);
  if accept then
    update review.anomaly x set discovered_on = d.discovered_on where x.id = a.id;
    perform review.settle(a.id, who);
  end if;
  return r;
end $$;

grant execute on function review.confirm to ward_reviewer;
