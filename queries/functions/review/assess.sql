-- Records the four factors of 164.402(2), each in words, with what the log knows. A claimed anomaly is in review from
-- then on.
create or replace function review.assess(
  anomaly text, expected_version int, nature text, recipient text, acquired text, mitigated text, outcome text
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  the_anomaly review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  changed jsonb;
  factors text[];
  too_short text;
begin
  perform review.require_lease(the_anomaly, who);
  if outcome not in ('low_probability', 'breach') then
    raise exception 'the outcome of an assessment is low_probability or breach, not "%"', coalesce(outcome, '')
      using errcode = '22023';
  end if;
  factors := array[
    btrim(nature, E' \t\r\n'), btrim(recipient, E' \t\r\n'), btrim(acquired, E' \t\r\n'), btrim(mitigated, E' \t\r\n')
  ];
  select string_agg(name, ', ') into too_short
  from unnest(factors, array['nature', 'recipient', 'acquired', 'mitigated']) factor(said, name)
  where length(coalesce(said, '')) not between 10 and 10000;
  if too_short is not null then
    raise exception 'each of the four factors needs 10 to 10,000 characters: look at %', too_short
      using errcode = '22023';
  end if;
  changed := review.change(
    anomaly => the_anomaly, expected_version => expected_version, action => 'note',
    to_state => case when the_anomaly.state = 'claimed' then 'in_review' else the_anomaly.state end,
    who => who, reason => 'four factors assessed: ' || outcome, extra => jsonb_build_object('assessment', outcome)
  );
  insert into review.assessment (anomaly_id, nature, recipient, acquired, mitigated, outcome, facts, by_user, event_id)
  values (
    the_anomaly.id, factors[1], factors[2], factors[3], factors[4], outcome, review.log_facts(the_anomaly), who,
    (changed->>'event_id')::bigint
  );
  return changed;
end $$;

grant execute on function review.assess to ward_reviewer;
