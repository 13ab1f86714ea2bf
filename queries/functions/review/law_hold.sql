-- Records that a law-enforcement official asked to delay notices until a day (164.412).
create or replace function review.law_hold(
  anomaly text, expected_version int, until date, written boolean, official text
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  changed jsonb;
  by_whom text := btrim(official);
begin
  if until is null or until <= core.today() then
    raise exception 'a law-enforcement hold must end after today, not on %', coalesce(until::text, 'no day')
      using errcode = '22023';
  end if;
  if not written and until > core.today() + 30 then
    raise exception
      'an oral statement of an official holds for 30 days at most: a longer hold needs it in writing (164.412)'
      using errcode = '22023';
  end if;
  if length(coalesce(by_whom, '')) < 4 then
    raise exception 'a law-enforcement hold needs the name of the official who asks for it' using errcode = '22023';
  end if;
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'note', to_state => the_anomaly.state,
    who => who, reason => 'law-enforcement hold until ' || until, extra => jsonb_build_object('held_until', until)
  );
  insert into review.law_hold (anomaly_id, until, written, official, by_user, event_id)
  values (the_anomaly.id, law_hold.until, law_hold.written, by_whom, who, (changed->>'event_id')::bigint);
  perform review.settle(the_anomaly.id, who);
  return changed;
end $$;

grant execute on function review.law_hold to ward_reviewer;
