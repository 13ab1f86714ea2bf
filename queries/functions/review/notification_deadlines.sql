-- Who must be notified by when, and when they were. For an anomaly that is no breach yet: as if it were one. A
-- law-enforcement hold moves the federal dates only; those of a contract and of a State stay.
create or replace function review.notification_deadlines(anomaly review.anomaly)
  returns table (recipient text, due_on date, why text, made_on date)
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  sixty_days date := anomaly.discovered_on + 60;
  term review.tenant_term;
  affected int;
  residents text;
  state_term record;
  made jsonb;  -- the day of the first notice, by recipient
begin
  if anomaly.state in ('closed', 'merged') and anomaly.disposition is distinct from 'breach' then return; end if;
  sixty_days := greatest(
    sixty_days, (select max(lh.until) from review.law_hold lh where lh.anomaly_id = anomaly.id)
  );
  select * into term from review.tenant_term tt where tt.tenant_id = anomaly.tenant_id order by tt.id desc limit 1;
  if anomaly.disposition = 'breach' then
    select max(dv.value) filter (where dv.field = 'affected')::int, max(dv.value) filter (where dv.field = 'residents')
    into affected, residents
    from review.disposition_value dv
    where dv.anomaly_id = anomaly.id and dv.version = anomaly.closed_version;
  end if;
  select jsonb_object_agg(first.recipient, first.made_on) into made
  from (
    select n.recipient, min(n.made_on) as made_on
    from review.notice n
    where n.anomaly_id = anomaly.id
    group by n.recipient
  ) first;

  recipient := 'individuals';
  due_on := sixty_days;
  why := '164.404(b)';
  for state_term in
    select distinct on (st.state) st.state, st.days, st.citation
    from review.state_term st
    where case when residents is null then st.state = term.state else residents ~ ('(^|,)' || st.state || ':') end
    order by st.state, st.id desc
  loop
    if anomaly.discovered_on + state_term.days < due_on then
      due_on := anomaly.discovered_on + state_term.days;
      why := state_term.state || ': ' || state_term.citation;
    end if;
  end loop;
  made_on := (made->>recipient)::date;
  return next;

  if term.contract_days is not null then
    recipient := 'covered_entity';
    due_on := anomaly.discovered_on + term.contract_days;
    why := '164.410 and the contract';
    made_on := (made->>recipient)::date;
    return next;
  end if;

  if affected is null then return; end if;
  recipient := 'hhs';
  if affected >= 500 then
    due_on := sixty_days;
    why := '164.408(b)';
  else
    due_on := make_date(extract(year from anomaly.discovered_on)::int, 12, 31) + 60;
    why := '164.408(c)';
  end if;
  made_on := (made->>recipient)::date;
  return next;

  if exists (select from regexp_split_to_table(residents, ',') entry where split_part(entry, ':', 2)::int > 500) then
    recipient := 'media';
    due_on := sixty_days;
    why := '164.406';
    made_on := (made->>recipient)::date;
    return next;
  end if;
end $$;
