create or replace function review.law_hold(
  anomaly text, expected_version int, until date, written boolean, official text
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  r jsonb;
  by_whom text := btrim(official);
begin
  if until is null or until <= core.today() then
    raise exception 'a hold ends on a day to come' using errcode = '22023';
  end if;
  if not written and until > core.today() + 30 then
    raise exception
      'an official''s word holds for 30 days at most: after that the statement has to be in writing (164.412)'
      using errcode = '22023';
  end if;
  if length(coalesce(by_whom, '')) < 4 then
    raise exception 'a hold names the official who asks for it' using errcode = '22023';
  end if;
  r := review.change(
    a, expected_version, 'note', a.state, who, 'law-enforcement hold until ' || until, null,
    jsonb_build_object('held_until', until)
  );
  insert into review.law_hold (anomaly_id, until, written, official, by_user, event_id)
  values (a.id, law_hold.until, law_hold.written, by_whom, who, (r->>'event_id')::bigint);
  perform review.settle(a.id, who);
  return r;
end $$;

grant execute on function review.law_hold to ward_reviewer;
