-- The four factors of 164.402(2), each in words. What the log knows goes with them. From then on the anomaly is in
-- review.
create or replace function review.assess(
  anomaly text, expected_version int, nature text, recipient text, acquired text, mitigated text, outcome text
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a review.anomaly := review.anomaly_within(anomaly, 'note');
  who uuid := tenancy.user_id();
  r jsonb;
  f text[];
  thin text;
begin
  perform review.require_lease(a, who);
  if outcome not in ('low_probability', 'breach') then
    raise exception 'an assessment ends in low_probability or breach' using errcode = '22023';
  end if;
  f := array[
    btrim(nature, E' \t\r\n'), btrim(recipient, E' \t\r\n'), btrim(acquired, E' \t\r\n'), btrim(mitigated, E' \t\r\n')
  ];
  select string_agg(name, ', ') into thin
  from unnest(f, array['nature', 'recipient', 'acquired', 'mitigated']) x(said, name)
  where length(coalesce(said, '')) not between 10 and 10000;
  if thin is not null then
    raise exception 'each of the four factors needs ten characters at least, and 10,000 at most: %', thin
      using errcode = '22023';
  end if;
  r := review.change(
    a, expected_version, 'note',
    case when a.state = 'claimed' then 'in_review' else a.state end,
    who, 'four factors assessed: ' || outcome, null, jsonb_build_object('assessment', outcome)
  );
  insert into review.assessment (anomaly_id, nature, recipient, acquired, mitigated, outcome, facts, by_user, event_id)
  values (a.id, f[1], f[2], f[3], f[4], outcome, review.log_facts(a), who, (r->>'event_id')::bigint);
  return r;
end $$;

grant execute on function review.assess to ward_reviewer;
