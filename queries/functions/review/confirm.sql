-- Confirms or refuses (accept) the date of discovery that another person proposed.
create or replace function review.confirm(anomaly text, expected_version int, accept boolean, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'approve');
  who uuid := tenancy.user_id();
  changed jsonb;
  proposal record;
begin
  -- first, so that the later of two who confirm at once is told of the other
  perform review.locked_at_version(the_anomaly.id, expected_version);
  select * into proposal
  from review.discovery d
  where d.anomaly_id = the_anomaly.id
    and d.answers is null
    and not exists (select from review.discovery answer where answer.answers = d.id);
  if not found then
    raise exception 'no other date of discovery is proposed for this anomaly: there is nothing to confirm'
      using errcode = '55000', hint = 'ward queue discovered proposes one';
  end if;
  if proposal.by_user = any (tenancy.accounts_of(who)) then
    raise exception 'you proposed this date: somebody else confirms it' using errcode = 'WARD2';
  end if;
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'approve', to_state => the_anomaly.state,
    who => who, reason => core.require_reason(reason),
    extra => jsonb_build_object('discovered_on', proposal.discovered_on, 'accepted', accept)
  );
  insert into review.discovery (anomaly_id, answers, accepted, reason, by_user, event_id)
  values (the_anomaly.id, proposal.id, accept, core.require_reason(reason), who, (changed->>'event_id')::bigint);
  if accept then
    update review.anomaly a set discovered_on = proposal.discovered_on where a.id = the_anomaly.id;
    perform review.settle(the_anomaly.id, who);
  end if;
  return changed;
end $$;

grant execute on function review.confirm to ward_reviewer;
