-- Who must be notified by when, and when they were. Of an anomaly that is no breach yet: if it is one. A federal hold
-- moves the federal dates only; a contract's and a State's stay.
create or replace function review.notification_deadlines(a review.anomaly)
  returns table (recipient text, due_on date, why text, made_on date)
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  held date;
  sixty date := a.discovered_on + 60;
  term review.tenant_term;
  affected int;
  residents text;
  st record;
begin
  if a.state in ('closed', 'merged') and a.disposition is distinct from 'breach' then return; end if;
  select max(h.until) into held from review.law_hold h where h.anomaly_id = a.id;
  select * into term from review.tenant_term x where x.tenant_id = a.tenant_id order by x.id desc limit 1;
  if a.disposition = 'breach' then
    select max(v.value) filter (where v.field = 'affected')::int, max(v.value) filter (where v.field = 'residents')
    into affected, residents
    from review.disposition_value v
    where v.anomaly_id = a.id and v.version = a.closed_version;
  end if;
  sixty := greatest(sixty, held);
  recipient := 'individuals';
  due_on := sixty;
  why := '164.404(b)';
  for st in
    select distinct on (s.state) s.state, s.days, s.citation
    from review.state_term s
    where case when residents is null then s.state = term.state else residents ~ ('(^|,)' || s.state || ':') end
    order by s.state, s.id desc
  loop
    if a.discovered_on + st.days < due_on then
      due_on := a.discovered_on + st.days;
      why := st.state || ': ' || st.citation;
    end if;
  end loop;
  select min(n.made_on) into made_on from review.notice n where n.anomaly_id = a.id and n.recipient = 'individuals';
  return next;
  if term.contract_days is not null then
    recipient := 'covered_entity';
    due_on := a.discovered_on + term.contract_days;
    why := '164.410 and the contract';
    select min(n.made_on) into made_on
    from review.notice n
    where n.anomaly_id = a.id and n.recipient = 'covered_entity';
    return next;
  end if;
  if affected is null then return; end if;
  recipient := 'hhs';
  due_on := case
    when affected >= 500 then sixty
    else make_date(extract(year from a.discovered_on)::int, 12, 31) + 60
  end;
  why := case when affected >= 500 then '164.408(b)' else '164.408(c)' end;
  select min(n.made_on) into made_on from review.notice n where n.anomaly_id = a.id and n.recipient = 'hhs';
  return next;
  if exists (select from regexp_split_to_table(residents, ',') x where split_part(x, ':', 2)::int > 500) then
    recipient := 'media';
    due_on := sixty;
    why := '164.406';
    select min(n.made_on) into made_on from review.notice n where n.anomaly_id = a.id and n.recipient = 'media';
    return next;
  end if;
end $$;
