-- What an anomaly is decided on: who is a party to it, what each disposition demands, the four factors and the clocks of 45 CFR 164.402 to 164.414, links, files, and the columns that the queue
-- is sorted by. Everything is append-only and checked below the functions too: by triggers that hold for whoever has the table in hand.

-- +goose Up
set local role ward_owner;

-- Accounts of one person. Whoever is a party to an anomaly under one of them is one under all; a link ends, it is never removed.
create table tenancy.account_link (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null references tenancy.users,
  same_as    uuid not null references tenancy.users check (same_as <> user_id),
  linked_by  uuid not null references tenancy.users, linked_at timestamptz not null default clock_timestamp(),
  reason     text not null check (reason <> ''),
  ended_by   uuid references tenancy.users, ended_at timestamptz, end_reason text check ((ended_at is null) = (end_reason is null))
);
create index account_link_user on tenancy.account_link (user_id) where ended_at is null; create index account_link_same on tenancy.account_link (same_as) where ended_at is null;
create trigger no_delete before delete on tenancy.account_link for each row execute function tenancy.no_delete(); create trigger no_truncate before truncate on tenancy.account_link for each statement execute function tenancy.no_delete();

alter table review.disposition add column bulk boolean not null default true;  -- may be given to several anomalies at once
update review.disposition set bulk = false where name in ('breach', 'impermissible_low_probability', 'policy_violation_no_breach');

-- What closing demands. Fields without an alternative are needed; of those with one, the fields of one alternative at least.
create table review.disposition_field (
  disposition text not null references review.disposition,
  field       text not null,
  position    int not null,
  kind        text not null check (kind in ('text', 'choice', 'past', 'future', 'count', 'anomaly', 'assessment', 'discovery', 'states', 'manifest', 'row')),
  alternative text, needed boolean not null default true, choices text[], note text not null,
  primary key (disposition, field)
);
insert into review.disposition_field
select d, f, p, k, a, true, c, n from (values
  ('false_positive_rule', 'cause', 1, 'choice', null, array['data_missing', 'data_late', 'wrong_identity', 'threshold', 'rule_logic', 'other'], 'why the rule is wrong here'),
  ('authorised_service', 'manifest', 1, 'manifest', 'manifest', null, 'the declared entry of the service account: "view public.appointments"'),
  ('authorised_service', 'ticket', 2, 'text', 'ticket', null, 'the ticket that authorised it'),
  ('duplicate', 'duplicate_of', 1, 'anomaly', null, null, 'the anomaly that goes on with it'),
  ('policy_violation_no_breach', 'exception', 1, 'choice', null, array['unintentional_access', 'inadvertent_disclosure', 'not_retained'], 'which exception of 164.402(1): (i), (ii) or (iii)'),
  ('policy_violation_no_breach', 'sanction', 2, 'text', null, null, 'where the sanction or the training is on record'),
  ('impermissible_low_probability', 'assessment', 1, 'assessment', null, null, 'the four factors, assessed as low probability'),
  ('breach', 'affected', 1, 'count', null, null, 'how many individuals'),
  ('breach', 'discovered_on', 2, 'discovery', null, null, 'the date of discovery, as it stands'),
  ('breach', 'assessment', 3, 'assessment', 'assessed', null, 'the four factors, assessed as a breach'),
  ('breach', 'unassessed', 4, 'choice', 'unassessed', array['notify_without_assessment'], 'notify without an assessment, which 164.402 permits'),
  ('undetermined', 'missing', 1, 'text', null, null, 'what is missing'),
  ('undetermined', 'review_on', 2, 'future', null, null, 'when it comes back')) v(d, f, p, k, a, c, n)
union all select d, f, p, k, a, true, null, n from unnest(array['explained_treatment', 'explained_payment', 'explained_operations']) d, (values
  ('row', 1, 'row', 'row', 'the row that explains it: "public.appointments/ID" or "event:NUMBER"'),
  ('asked', 2, 'text', 'asked', 'who was asked'),
  ('asked_on', 3, 'past', 'asked', 'when they were asked')) v(f, p, k, a, n);
insert into review.disposition_field values ('breach', 'residents', 5, 'states', null, false, null, 'how many residents of which State: "CA:12,NV:3"');

alter table review.anomaly
  add column evidence_count int not null default 0,
  add column discovered_on date not null default (clock_timestamp() at time zone 'UTC')::date,  -- 164.404(a)(2); moved by review.discovery only
  add column due_on date not null default 'infinity',      -- the earliest legal date by which somebody must be notified, if it is a breach
  add column claim_by date not null default 'infinity', add column close_by date not null default 'infinity',
  add column closed_version int,                           -- under which the fields of its closing stand
  add column review_on date,                               -- when a closed undetermined one comes back
  drop constraint tier_a_is_approved, drop constraint closed_says_why,
  add constraint tier_a_is_approved check (state not in ('closed', 'merged') or tier <> 'A' or approved_by is not null),
  add constraint closed_says_why check (state not in ('closed', 'merged', 'pending_approval') or (disposition is not null and closed_by is not null and close_reason <> ''));
alter table review.transition add column batch_id uuid;
create index anomaly_due on review.anomaly (due_on, rank, id) where open; create index anomaly_close_by on review.anomaly (close_by, rank, id) where open;
create index anomaly_of_tenant on review.anomaly (tenant_id, rank, created_at, id) where open; create index anomaly_of_rule on review.anomaly (rule_id, rank, created_at, id) where open;
create index anomaly_of_tenant_due on review.anomaly (tenant_id, due_on, rank, id) where open; create index anomaly_of_rule_due on review.anomaly (rule_id, due_on, rank, id) where open;
create index anomaly_of_tenant_close_by on review.anomaly (tenant_id, close_by, rank, id) where open; create index anomaly_of_rule_close_by on review.anomaly (rule_id, close_by, rank, id) where open;
create index anomaly_of_tenant_rule on review.anomaly (tenant_id, rule_id, rank, created_at, id) where open; create index anomaly_in_work on review.anomaly (state) where open and state <> 'new'; create index anomaly_breach on review.anomaly (discovered_on, id) where disposition = 'breach';
create index anomaly_lease on review.anomaly (lease_until) where state = 'claimed'; create index anomaly_review_on on review.anomaly (review_on) where review_on is not null;

-- The answers to what a disposition demands, by the version of the closing that they belong to.
create table review.disposition_value (
  anomaly_id  uuid not null references review.anomaly,
  version     int not null,
  disposition text not null,
  field       text not null,
  value       text not null,
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp(),
  primary key (anomaly_id, version, field),
  foreign key (disposition, field) references review.disposition_field
);
-- 164.402(2). facts: what the log knew when it was made.
create table review.assessment (
  id bigint generated always as identity primary key, anomaly_id uuid not null references review.anomaly,
  nature     text not null check (length(nature) between 10 and 10000),     -- (i) nature and extent of the PHI, identifiers, likelihood of re-identification
  recipient  text not null check (length(recipient) between 10 and 10000),  -- (ii) who used it or to whom it was disclosed
  acquired   text not null check (length(acquired) between 10 and 10000),   -- (iii) whether it was actually acquired or viewed
  mitigated  text not null check (length(mitigated) between 10 and 10000),  -- (iv) how far the risk has been mitigated
  outcome    text not null check (outcome in ('low_probability', 'breach')),
  facts      jsonb not null,
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp(), event_id bigint not null
);
create index assessment_anomaly on review.assessment (anomaly_id, id);
-- A date of discovery that somebody proposes, and what a second person says to it.
create table review.discovery (
  id bigint generated always as identity primary key, anomaly_id uuid not null references review.anomaly,
  discovered_on date,                                        -- proposed; null in an answer
  answers       bigint unique references review.discovery, accepted boolean,
  reason        text not null check (length(reason) >= 4),
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp(), event_id bigint not null,
  check ((answers is null) = (discovered_on is not null) and (answers is null) = (accepted is null))
);
create index discovery_anomaly on review.discovery (anomaly_id, id);
-- 164.412: an official asks for delay. Said and not written, it holds for 30 days at most.
create table review.law_hold (
  id bigint generated always as identity primary key, anomaly_id uuid not null references review.anomaly,
  until      date not null, written boolean not null,
  official   text not null check (length(official) >= 4),
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp(), event_id bigint not null,
  check (written or until <= (at at time zone 'UTC')::date + 30)
);
create index law_hold_anomaly on review.law_hold (anomaly_id);
-- 164.414(b): that the notices were made is the entity's to prove.
create table review.notice (
  id bigint generated always as identity primary key, anomaly_id uuid not null references review.anomaly,
  duty       text not null check (duty in ('individuals', 'covered_entity', 'hhs', 'media')),
  made_on    date not null,
  reference  text not null check (length(reference) >= 4),
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp(), event_id bigint not null,
  check (made_on <= (at at time zone 'UTC')::date)
);
create index notice_anomaly on review.notice (anomaly_id);
-- What an installation knows of contracts and of State law; the newest row counts, a null takes a term back. ward ships none: it makes no claim about the law of a State.
create table review.tenant_term (
  id            bigint generated always as identity primary key,
  tenant_id     uuid not null references tenancy.tenant,
  state         text check (state ~ '^[A-Z]{2}$'),              -- where the clinic's patients live, until it is known of each
  contract_days int check (contract_days between 1 and 60),     -- 164.410(b): a business associate tells the covered entity
  reason        text not null check (length(reason) >= 4),
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp()
);
create index tenant_term_tenant on review.tenant_term (tenant_id, id desc);
create table review.state_term (
  id       bigint generated always as identity primary key,
  state    text not null check (state ~ '^[A-Z]{2}$'),
  days     int check (days between 1 and 60),
  citation text not null check (length(citation) >= 4),
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp()
);
create index state_term_state on review.state_term (state, id desc);
create table review.link (
  anomaly_id uuid not null references review.anomaly,
  other_id   uuid not null references review.anomaly check (other_id <> anomaly_id),
  kind       text not null check (kind in ('duplicate', 'related')),
  reason     text not null,
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp(),
  primary key (anomaly_id, other_id, kind)
);
create index link_other on review.link (other_id);
-- Files. The contents may be anything, PHI too: they are read by a recorded look only, and never searched.
create table review.attachment (
  anomaly_id uuid not null references review.anomaly,
  sha256     bytea not null,
  name       text not null check (length(name) between 1 and 200 and name !~ '[/\\[:cntrl:]]'), bytes int not null,
  content    bytea not null check (sha256(content) = sha256 and octet_length(content) = bytes and bytes between 1 and 5242880),
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp(), event_id bigint not null,
  primary key (anomaly_id, sha256)
);
-- In how many business days an anomaly is claimed and closed. Operational: no law says so.
create table review.time_to (severity text primary key, claim int not null, close int not null);
insert into review.time_to values ('critical', 1, 3), ('high', 2, 10), ('medium', 5, 20), ('low', 10, 60);

-- +goose StatementBegin
-- All accounts of who this is.
create function tenancy.accounts_of(who uuid) returns uuid[] language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (with recursive same(id) as (select who union
      select case when l.user_id = s.id then l.same_as else l.user_id end from same s join tenancy.account_link l on (l.user_id = s.id or l.same_as = s.id) and l.ended_at is null)
    select array_agg(id) from same);
end $$;
-- Why this person has no say in an anomaly, or null: they, under whatever account, did what it is about, or it is about a patient who they are (review.person_link) or whose portal identity is theirs.
create function review.party(who uuid, anomaly uuid, actor uuid, subject uuid) returns text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare mine uuid[] := tenancy.accounts_of(who); charts uuid[];
begin
  if actor = any (mine) then return 'actor'; end if;
  select array_agg(distinct m.patient_id) into charts from tenancy.membership m where m.user_id = any (mine) and m.patient_id is not null;
  if to_regclass('review.person_link') is not null then  -- an optional input of rules
    execute 'select array_agg(distinct l.patient_id) || $2 from review.person_link l where l.user_id = any ($1)' into charts using mine, charts;
  end if;
  if charts is null then return null; end if;
  if subject = any (charts) or exists (select from review.evidence v where v.anomaly_id = anomaly and v.subject_id = any (charts)) then return 'patient'; end if;
  return null;
end $$;
create function review.need_apart(who uuid, anomaly uuid, actor uuid, subject uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare as_what text := review.party(who, anomaly, actor, subject);
begin
  if as_what is null then return; end if;
  if who is distinct from tenancy.user_id() then raise exception 'this anomaly is about %', review.slug_of(who) using errcode = 'WARD2'; end if;
  raise exception '%: somebody else reviews it', case as_what when 'actor' then 'this anomaly is about yourself' else 'this anomaly is about a patient who you are, or whose portal account is yours' end using errcode = 'WARD2';
end $$;

-- The same below the functions, whoever writes.
create function review.keep_apart() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly; p uuid;
begin
  if tg_table_name = 'anomaly' then
    for p in select distinct x from unnest(array[new.assigned_to, new.closed_by, new.approved_by]) x where x is not null loop
      perform review.need_apart(p, new.id, new.actor_id, new.subject_id);
    end loop;
    if new.approved_by = any (tenancy.accounts_of(new.closed_by)) then
      raise exception 'who closed an anomaly does not approve it under another account' using errcode = 'WARD2';
    end if;
    return null;
  end if;
  select * into a from review.anomaly x where x.id = new.anomaly_id;
  perform review.need_apart(new.by_user, a.id, a.actor_id, a.subject_id);
  return null;
end $$;
create function review.keep_discoveries_apart() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare d review.discovery;
begin
  if new.answers is null then
    if exists (select from review.discovery x where x.anomaly_id = new.anomaly_id and x.answers is null and x.id <> new.id and not exists (select from review.discovery y where y.answers = x.id)) then
      raise exception 'another date of discovery waits for a second person' using errcode = 'WARD3';
    end if;
    if not exists (select from review.anomaly a where a.id = new.anomaly_id and new.discovered_on between (a.first_at at time zone 'UTC')::date and (new.at at time zone 'UTC')::date) then
      raise exception 'a date of discovery is not before what happened, and not in the future' using errcode = '22023';
    end if;
    return null;
  end if;
  select * into d from review.discovery x where x.id = new.answers;
  if d.answers is not null or d.anomaly_id <> new.anomaly_id then raise exception 'this answers nothing' using errcode = '22023'; end if;
  if new.by_user = any (tenancy.accounts_of(d.by_user)) then raise exception 'you proposed this date: somebody else confirms it' using errcode = 'WARD2'; end if;
  return null;
end $$;

-- One answer of a closing is what its field asks for.
create function review.check_value() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare f review.disposition_field; a review.anomaly; ok boolean; v text := new.value;
begin
  select * into f from review.disposition_field x where x.disposition = new.disposition and x.field = new.field;
  if not found then return new; end if;  -- the foreign key says so
  select * into a from review.anomaly x where x.id = new.anomaly_id;
  ok := case f.kind
    when 'text' then length(btrim(v)) between 4 and 2000
    when 'choice' then v = any (f.choices)
    when 'count' then v ~ '^[1-9][0-9]{0,8}$'
    when 'past' then v ~ '^\d{4}-\d\d-\d\d$' and v::date between '2000-01-01' and review.today()
    when 'future' then v ~ '^\d{4}-\d\d-\d\d$' and v::date between review.today() + 1 and review.today() + 366
    when 'discovery' then v = a.discovered_on::text
    when 'states' then v ~ '^[A-Z]{2}:[0-9]{1,9}(,[A-Z]{2}:[0-9]{1,9})*$' and not exists (select from regexp_split_to_table(v, ',') x group by left(x, 2) having count(*) > 1)
    when 'assessment' then exists (select from review.assessment s where s.id::text = v and s.anomaly_id = a.id and s.outcome = case new.disposition when 'breach' then 'breach' else 'low_probability' end
      and not exists (select from review.assessment later where later.anomaly_id = a.id and later.id > s.id))
    when 'anomaly' then exists (select from review.anomaly x where x.id::text = v and x.tenant_id = a.tenant_id and x.id <> a.id and x.state <> 'merged')
    when 'manifest' then exists (select from tenancy.service_permission p where p.user_id = a.actor_id and (p.tenant_id is null or p.tenant_id = a.tenant_id) and p.action || ' ' || p.record_table = v)
    when 'row' then case when v ~ '^event:[0-9]{1,18}$' then exists (select from audit.event e where e.event_id = substr(v, 7)::bigint and e.tenant_id = a.tenant_id)
      when v ~ '^[a-z_0-9.]+/[0-9a-f-]{36}$' then exists (select from tenancy.record r where r.record_id = split_part(v, '/', 2)::uuid and r.record_table = split_part(v, '/', 1) and r.tenant_id = a.tenant_id) end
  end;
  if not coalesce(ok, false) then
    raise exception '%', format('%s: %s', f.field, case f.kind
      when 'text' then 'at least four characters are needed: ' || f.note
      when 'choice' then 'one of ' || array_to_string(f.choices, ', ')
      when 'count' then 'a number from 1 is needed'
      when 'past' then 'a day like 2026-01-31 is needed, not in the future'
      when 'future' then 'a day like 2026-01-31 is needed, within a year from tomorrow on'
      when 'discovery' then 'it is ' || a.discovered_on || '; another one is proposed and confirmed first'
      when 'states' then 'write the residents of each State once, as CA:12,NV:3'
      when 'assessment' then 'the newest four-factor assessment must say ' || case new.disposition when 'breach' then 'breach' else 'low_probability' end
      when 'anomaly' then 'another anomaly of the same clinic is needed, one that is not merged itself'
      when 'manifest' then 'no such entry is declared for this service account'
      else 'no such row at this clinic: "public.appointments/ID" or "event:NUMBER"' end) using errcode = '22023';
  end if;
  return new;
end $$;

-- A closing has what its disposition demands, whoever wrote it.
create function review.check_closing() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare lacks text;
begin
  select string_agg(f.field, ', ' order by f.position) into lacks from review.disposition_field f where f.disposition = new.disposition and f.needed and f.alternative is null
    and not exists (select from review.disposition_value v where v.anomaly_id = new.id and v.version = new.closed_version and v.disposition = f.disposition and v.field = f.field);
  if lacks is null and exists (select from review.disposition_field f where f.disposition = new.disposition and f.alternative is not null) and not exists (
    select from review.disposition_field f left join review.disposition_value v on v.anomaly_id = new.id and v.version = new.closed_version and v.disposition = f.disposition and v.field = f.field
    where f.disposition = new.disposition and f.alternative is not null group by f.alternative having bool_and(v.field is not null)) then
    select string_agg(x.fields, ', or ' order by x.p) into lacks from (select string_agg(f.field, ' and ' order by f.position) fields, min(f.position) p from review.disposition_field f
      where f.disposition = new.disposition and f.alternative is not null group by f.alternative) x;
  end if;
  if lacks is not null then
    raise exception 'closing as % needs: %', new.disposition, lacks using errcode = '22023', hint = 'ward queue dispositions says what each is';
  end if;
  if new.disposition = 'breach' then
    if (select coalesce(sum(split_part(x, ':', 2)::bigint), 0) from review.disposition_value v, regexp_split_to_table(v.value, ',') x where v.anomaly_id = new.id and v.version = new.closed_version and v.field = 'residents')
      > (select v.value::bigint from review.disposition_value v where v.anomaly_id = new.id and v.version = new.closed_version and v.field = 'affected') then
      raise exception 'more residents than individuals affected' using errcode = '22023';
    end if;
    if new.state = 'pending_approval' and exists (select from review.discovery d where d.anomaly_id = new.id and d.answers is null and not exists (select from review.discovery y where y.answers = d.id)) then
      raise exception 'another date of discovery waits for a second person: that is decided first' using errcode = 'WARD3';
    end if;
  end if;
  return null;
end $$;

create function review.begin_clocks() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  select review.business_day(new.discovered_on, x.claim), review.business_day(new.discovered_on, x.close) into new.claim_by, new.close_by from review.time_to x where x.severity = new.severity;
  new.due_on := coalesce((select min(d.due_on) from review.duties(new) d), 'infinity');
  return new;
end $$;
create function review.count_evidence() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update review.anomaly a set evidence_count = a.evidence_count + n.n from (select x.anomaly_id, count(*) n from added x group by x.anomaly_id) n where a.id = n.anomaly_id;
  return null;
end $$;

-- Who must be notified by when, and when they were. Of an anomaly that is no breach yet: if it is one. A federal hold moves the federal dates only; a contract's and a State's stay.
create function review.duties(a review.anomaly) returns table (duty text, due_on date, why text, made_on date) language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare held date; sixty date := a.discovered_on + 60; term review.tenant_term; affected int; residents text; st record;
begin
  if a.state in ('closed', 'merged') and a.disposition is distinct from 'breach' then return; end if;
  select max(h.until) into held from review.law_hold h where h.anomaly_id = a.id;
  select * into term from review.tenant_term x where x.tenant_id = a.tenant_id order by x.id desc limit 1;
  if a.disposition = 'breach' then
    select max(v.value) filter (where v.field = 'affected')::int, max(v.value) filter (where v.field = 'residents') into affected, residents
    from review.disposition_value v where v.anomaly_id = a.id and v.version = a.closed_version;
  end if;
  sixty := greatest(sixty, held);
  duty := 'individuals'; due_on := sixty; why := '164.404(b)';
  for st in select distinct on (s.state) s.state, s.days, s.citation from review.state_term s
    where case when residents is null then s.state = term.state else residents ~ ('(^|,)' || s.state || ':') end order by s.state, s.id desc loop
    if a.discovered_on + st.days < due_on then due_on := a.discovered_on + st.days; why := st.state || ': ' || st.citation; end if;
  end loop;
  select min(n.made_on) into made_on from review.notice n where n.anomaly_id = a.id and n.duty = 'individuals';
  return next;
  if term.contract_days is not null then
    duty := 'covered_entity'; due_on := a.discovered_on + term.contract_days; why := '164.410 and the contract';
    select min(n.made_on) into made_on from review.notice n where n.anomaly_id = a.id and n.duty = 'covered_entity';
    return next;
  end if;
  if affected is null then return; end if;
  duty := 'hhs'; due_on := case when affected >= 500 then sixty else make_date(extract(year from a.discovered_on)::int, 12, 31) + 60 end; why := case when affected >= 500 then '164.408(b)' else '164.408(c)' end;
  select min(n.made_on) into made_on from review.notice n where n.anomaly_id = a.id and n.duty = 'hhs';
  return next;
  if exists (select from regexp_split_to_table(residents, ',') x where split_part(x, ':', 2)::int > 500) then
    duty := 'media'; due_on := sixty; why := '164.406';
    select min(n.made_on) into made_on from review.notice n where n.anomaly_id = a.id and n.duty = 'media';
    return next;
  end if;
end $$;

-- What a change of state makes of the clocks, of an undetermined one's return, and of the one that a duplicate is merged into.
create function review.settle(anomaly uuid, who uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly; target review.anomaly;
begin
  select * into a from review.anomaly x where x.id = anomaly;
  update review.anomaly x set due_on = coalesce((select min(d.due_on) from review.duties(a) d where d.made_on is null), 'infinity'),
    review_on = case when a.state = 'closed' and a.disposition = 'undetermined' then (select v.value::date from review.disposition_value v where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'review_on') end
  where x.id = a.id;
  if a.state = 'merged' then
    select * into target from review.anomaly x where x.id = (select v.value::uuid from review.disposition_value v where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'duplicate_of') for update;
    if target.state = 'merged' then raise exception 'the other anomaly has been merged itself by now' using errcode = 'WARD3'; end if;
    insert into review.link (anomaly_id, other_id, kind, reason, by_user) values (a.id, target.id, 'duplicate', a.close_reason, who) on conflict do nothing;
  end if;
end $$;
create function review.unclose(anomaly uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  update review.anomaly x set disposition = null, closed_by = null, closed_at = null, close_reason = null, approved_by = null, closed_version = null,
    close_by = review.business_day(review.today(), (select t.close from review.time_to t where t.severity = x.severity)) where x.id = anomaly;
end $$;
-- Stores the answers of a closing. What the database knows by itself needs not be given: the date of discovery and the newest assessment. An anomaly is named by its beginning.
create function review.fill(a review.anomaly, version int, disposition text, fields jsonb, who uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare f record; unknown text; known jsonb;
begin
  if jsonb_typeof(fields) <> 'object' then raise exception 'fields are a JSON object' using errcode = '22023'; end if;
  select string_agg(k, ', ' order by k) into unknown from jsonb_object_keys(fields) k where not exists (select from review.disposition_field x where x.disposition = fill.disposition and x.field = k);
  if unknown is not null then raise exception '% does not ask for: %', disposition, unknown using errcode = '22023', hint = 'ward queue dispositions says what each asks for'; end if;
  known := jsonb_build_object('discovered_on', a.discovered_on);
  if not coalesce(fields ? 'unassessed', false) then
    known := known || coalesce((select jsonb_build_object('assessment', s.id::text) from review.assessment s where s.anomaly_id = a.id order by s.id desc limit 1), '{}');
  end if;
  for f in select x.field, x.kind, coalesce(nullif(btrim(fields->>x.field), ''), known->>x.field) as value from review.disposition_field x where x.disposition = fill.disposition order by x.position loop
    continue when f.value is null;
    if f.kind = 'anomaly' then f.value := (review.anomaly_within(f.value, 'browse')).id::text; end if;
    insert into review.disposition_value (anomaly_id, version, disposition, field, value, by_user) values (a.id, fill.version, fill.disposition, f.field, f.value, who);
  end loop;
end $$;
-- +goose StatementEnd

create trigger keep_apart after insert or update of assigned_to, closed_by, approved_by, actor_id, subject_id on review.anomaly for each row
  when (new.assigned_to is not null or new.closed_by is not null or new.approved_by is not null) execute function review.keep_apart();
create trigger check_closing after insert or update of state, disposition, closed_version on review.anomaly for each row when (new.state in ('closed', 'merged', 'pending_approval')) execute function review.check_closing();
create trigger begin_clocks before insert on review.anomaly for each row execute function review.begin_clocks();
create trigger count_evidence after insert on review.evidence referencing new table as added for each statement execute function review.count_evidence();
create trigger check_value before insert on review.disposition_value for each row execute function review.check_value();
create trigger keep_discoveries_apart after insert on review.discovery for each row execute function review.keep_discoveries_apart();
-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['disposition_value', 'assessment', 'discovery', 'law_hold', 'notice', 'link', 'attachment', 'note'] loop
    execute format('create trigger keep_apart after insert on review.%I for each row execute function review.keep_apart()', t);
  end loop;
  foreach t in array array['disposition_value', 'assessment', 'discovery', 'law_hold', 'notice', 'link', 'attachment', 'tenant_term', 'state_term'] loop
    execute format('create trigger append_only before update or delete on review.%I for each row execute function audit.append_only()', t);
    execute format('create trigger append_only_truncate before truncate on review.%I for each statement execute function audit.append_only()', t);
  end loop;
end $$;
create function review.recount(tenant uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  update review.anomaly a set due_on = coalesce((select min(d.due_on) from review.duties(a) d where d.made_on is null), 'infinity')
  where (tenant is null or a.tenant_id = tenant) and (a.state not in ('closed', 'merged') or a.disposition = 'breach');
end $$;
-- What the log says to factors (i) to (iii): tables, patients and records, who, how often it was seen, exported, denied.
create function review.log_facts(a review.anomaly) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select jsonb_build_object('events', count(*), 'shown', count(*) filter (where e.outcome = 'ok' and e.action in ('view', 'export')), 'exported', count(*) filter (where e.outcome = 'ok' and e.action = 'export'),
      'denied', count(*) filter (where e.outcome = 'denied'), 'patients', count(distinct e.subject_id), 'records', count(distinct (e.record_table, e.record_id)) filter (where e.record_id is not null),
      'tables', coalesce(jsonb_agg(distinct e.record_table) filter (where e.record_table is not null), '[]'), 'sessions', count(distinct e.session_id), 'first_at', min(e.at), 'last_at', max(e.at),
      'actor', review.slug_of(a.actor_id), 'roles', coalesce((select jsonb_agg(distinct m.role) from tenancy.membership m where m.user_id = a.actor_id and m.tenant_id = a.tenant_id), '[]'))
    from review.evidence e where e.anomaly_id = a.id);
end $$;
create function review.dispositions(tier text) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select jsonb_agg(jsonb_build_object('name', d.name, 'second_person', d.second_person or coalesce(dispositions.tier = 'A', false), 'bulk', d.bulk and dispositions.tier is distinct from 'A', 'note', d.note,
    'fields', coalesce((select jsonb_agg(jsonb_build_object('name', f.field, 'kind', f.kind, 'alternative', f.alternative, 'needed', f.needed, 'choices', coalesce(to_jsonb(f.choices), '[]'), 'note', f.note) order by f.position)
      from review.disposition_field f where f.disposition = d.name), '[]')) order by d.name) from review.disposition d);
end $$;
-- What details have besides the anomaly, its evidence, notes and history.
create function review.casework(a review.anomaly) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return jsonb_build_object(
    'log_facts', review.log_facts(a),
    'assessments', coalesce((select jsonb_agg(jsonb_build_object('id', s.id, 'nature', s.nature, 'recipient', s.recipient, 'acquired', s.acquired, 'mitigated', s.mitigated, 'outcome', s.outcome, 'facts', s.facts,
      'by', review.slug_of(s.by_user), 'at', s.at) order by s.id) from review.assessment s where s.anomaly_id = a.id), '[]'),
    'closing', coalesce((select jsonb_agg(jsonb_build_object('name', v.field, 'value', v.value) order by f.position) from review.disposition_value v
      join review.disposition_field f using (disposition, field) where v.anomaly_id = a.id and v.version = a.closed_version), '[]'),
    'duties', coalesce((select jsonb_agg(jsonb_build_object('duty', d.duty, 'due_on', d.due_on, 'why', d.why, 'made_on', d.made_on) order by d.due_on, d.duty) from review.duties(a) d), '[]'),
    'discoveries', coalesce((select jsonb_agg(jsonb_build_object('discovered_on', d.discovered_on, 'reason', d.reason, 'by', review.slug_of(d.by_user), 'at', d.at,
      'accepted', y.accepted, 'answer', y.reason, 'answered_by', case when y.id is not null then review.slug_of(y.by_user) end) order by d.id) from review.discovery d left join review.discovery y on y.answers = d.id
      where d.anomaly_id = a.id and d.answers is null), '[]'),
    'holds', coalesce((select jsonb_agg(jsonb_build_object('until', h.until, 'written', h.written, 'official', h.official, 'by', review.slug_of(h.by_user), 'at', h.at) order by h.id) from review.law_hold h where h.anomaly_id = a.id), '[]'),
    'notices', coalesce((select jsonb_agg(jsonb_build_object('duty', n.duty, 'made_on', n.made_on, 'reference', n.reference, 'by', review.slug_of(n.by_user), 'at', n.at) order by n.id) from review.notice n where n.anomaly_id = a.id), '[]'),
    'links', coalesce((select jsonb_agg(jsonb_build_object('id', o.id, 'kind', case when l.anomaly_id = a.id then l.kind else case l.kind when 'duplicate' then 'merged_here' else l.kind end end, 'state', o.state, 'rule_id', o.rule_id,
      'reason', l.reason, 'by', review.slug_of(l.by_user), 'at', l.at) order by l.at) from review.link l join review.anomaly o on o.id = case when l.anomaly_id = a.id then l.other_id else l.anomaly_id end
      where a.id in (l.anomaly_id, l.other_id) and tenancy.reaches(tenancy.user_id(), o.tenant_id, 'browse')), '[]'),
    'files', coalesce((select jsonb_agg(jsonb_build_object('sha256', encode(f.sha256, 'hex'), 'name', f.name, 'bytes', f.bytes, 'by', review.slug_of(f.by_user), 'at', f.at) order by f.at) from review.attachment f where f.anomaly_id = a.id), '[]'));
end $$;
create function review.breach_row(a review.anomaly) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare s review.assessment;
begin
  select * into s from review.assessment x where x.id::text = (select v.value from review.disposition_value v where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'assessment');
  return (select jsonb_build_object('id', a.id, 'tenant', t.slug, 'tenant_name', t.name, 'region', t.region, 'rule_id', a.rule_id, 'actor', u.slug, 'state', a.state, 'discovered_on', a.discovered_on, 'first_at', a.first_at, 'last_at', a.last_at,
      'affected', (select v.value::int from review.disposition_value v where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'affected'),
      'residents', (select v.value from review.disposition_value v where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'residents'),
      'summary', a.summary, 'close_reason', a.close_reason, 'nature', s.nature, 'mitigated', s.mitigated, 'closed_by', review.slug_of(a.closed_by), 'approved_by', case when a.approved_by is not null then review.slug_of(a.approved_by) end,
      'due_on', nullif(a.due_on, 'infinity'),
      'duties', (select coalesce(jsonb_agg(jsonb_build_object('duty', d.duty, 'due_on', d.due_on, 'why', d.why, 'made_on', d.made_on) order by d.due_on, d.duty), '[]') from review.duties(a) d))
    from tenancy.tenant t left join tenancy.users u on u.id = a.actor_id where t.id = a.tenant_id);
end $$;
create function review.terms() returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k audit.ask := audit.the_ask('terms'); reach uuid[] := tenancy.reach(k.user_id, 'browse');
begin
  return query select jsonb_build_object('tenant', t.slug, 'state', x.state, 'days', x.contract_days, 'why', x.reason, 'by', review.slug_of(x.by_user), 'at', x.at)
    from (select distinct on (y.tenant_id) y.* from review.tenant_term y order by y.tenant_id, y.id desc) x join tenancy.tenant t on t.id = x.tenant_id where reach is null or t.id = any (reach) order by t.slug;
  return query select jsonb_build_object('tenant', null, 'state', x.state, 'days', x.days, 'why', x.citation, 'by', review.slug_of(x.by_user), 'at', x.at)
    from (select distinct on (y.state) y.* from review.state_term y order by y.state, y.id desc) x where x.days is not null order by x.state;
end $$;
create function review.disposition_list() returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform audit.the_ask('dispositions');
  return query select jsonb_array_elements(review.dispositions(null));
end $$;
-- What time alone changes: a claim that nothing came of for 30 minutes is new again (whom it is assigned to stays), and an undetermined one comes back on its day. By the worker, each with its event.
create function review.tidy() returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly; n int := 0; e bigint; worker uuid; back boolean; why text;
begin
  select u.id into worker from tenancy.users u where u.slug = 'ward-worker';
  for a in select * from review.anomaly x where (x.state = 'claimed' and x.lease_until < clock_timestamp()) or (x.review_on <= review.today() and x.state = 'closed'
      and not exists (select from review.anomaly y where y.key = x.key and y.id <> x.id and y.open)) order by x.id limit 500 for update skip locked loop
    back := a.state = 'closed';
    why := case when back then 'undetermined: the day to look again has come' else 'nobody edited it for 30 minutes' end;
    insert into audit.event (tenant_id, user_id, actor_kind, action, subject_id, purpose, detail)
    values (a.tenant_id, worker, 'service', case when back then 'reopen' else 'assign' end, a.subject_id, 'system', jsonb_build_object('anomaly', a.id, 'from', a.state, 'to', 'new', 'version', a.version + 1, 'reason', why)::text) returning event_id into e;
    update review.anomaly x set state = 'new', version = a.version + 1, lease_until = null, assigned_to = case when not back then x.assigned_to end where x.id = a.id;
    if back then perform review.unclose(a.id); end if;
    insert into review.transition (anomaly_id, version, from_state, to_state, reason, evidence, event_id) values (a.id, a.version + 1, a.state, 'new', why, a.evidence_count, e);
    perform review.settle(a.id, worker);
    n := n + 1;
  end loop;
  return n;
end $$;
-- +goose StatementEnd

-- An anomaly as lists and details show it. People whom most anomalies do not have are looked up, not joined.
create view review.anomaly_row as select a.id, a.tenant_id, t.slug as tenant, t.name as tenant_name, t.region, a.rule_id, a.rule_version, r.title, a.tier, a.severity,
  a.actor_id, u.slug as actor, u.name as actor_name, a.subject_id, a.summary, a.facts, a.first_at, a.last_at, a.state, a.version, (select s.slug from tenancy.users s where s.id = a.assigned_to) as assigned_to,
  a.lease_until, a.disposition, (select s.slug from tenancy.users s where s.id = a.closed_by) as closed_by, a.closed_at, a.close_reason, (select s.slug from tenancy.users s where s.id = a.approved_by) as approved_by,
  a.recurrence_of, a.created_at, a.evidence_count, a.discovered_on, nullif(a.due_on, 'infinity') as due_on, nullif(a.claim_by, 'infinity') as claim_by, nullif(a.close_by, 'infinity') as close_by, a.review_on
from review.anomaly a join tenancy.tenant t on t.id = a.tenant_id join review.rule r on r.id = a.rule_id left join tenancy.users u on u.id = a.actor_id;

-- +goose StatementBegin
-- The page that review.browse recorded, in its order.
create function review.page() returns setof review.anomaly_row language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare k audit.ask := audit.the_ask('queue'); reach uuid[] := tenancy.reach(k.user_id, 'browse');
begin
  return query select r.* from unnest(k.ids) with ordinality x(id, n) join review.anomaly_row r on r.id = x.id where reach is null or r.tenant_id = any (reach) order by x.n;
end $$;
-- +goose StatementEnd

grant execute on function review.page, review.terms, review.disposition_list to ward_reviewer;
grant execute on function review.tidy to ward_worker;
reset role;
