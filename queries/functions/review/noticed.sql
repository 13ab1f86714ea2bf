-- That a notice was made, and where that is proven. Of a breach only.
create or replace function review.noticed(
  anomaly text, expected_version int, recipient text, made_on date, reference text
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  r jsonb;
begin
  if a.state <> 'closed' or a.disposition <> 'breach' then
    raise exception 'notices are made of an anomaly that is closed as a breach' using errcode = '55000';
  end if;
  if not exists (select from review.notification_deadlines(a) d where d.recipient = noticed.recipient) then
    raise exception 'of this breach nobody notifies "%": %',
      recipient, (select string_agg(d.recipient, ', ') from review.notification_deadlines(a) d)
      using errcode = '22023';
  end if;
  if made_on is null or made_on not between a.discovered_on and core.today() then
    raise exception 'a notice was made between the discovery and today' using errcode = '22023';
  end if;
  r := review.change(
    a, expected_version, 'note', a.state, who, 'notice made: ' || recipient, null,
    jsonb_build_object('notice', recipient, 'made_on', made_on)
  );
  insert into review.notice (anomaly_id, recipient, made_on, reference, by_user, event_id)
  values (a.id, noticed.recipient, noticed.made_on, core.require_reason(reference), who, (r->>'event_id')::bigint);
  perform review.settle(a.id, who);
  return r;
end $$;

grant execute on function review.noticed to ward_reviewer;
