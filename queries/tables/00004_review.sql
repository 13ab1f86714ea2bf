-- The tables of schema review: the rules and their runs, the anomaly queue, its casework, alerts, and the evidence of a
-- period.

set local role ward_owner;

create table review.rule (
  id text primary key,
  version int not null,
  tier text not null check (tier in ('A', 'B', 'C', 'S')),
  severity text not null check (severity in ('critical', 'high', 'medium', 'low')),
  title text not null,
  content_hash text not null,
  front_matter jsonb not null,
  kind text not null default 'flag' check (kind in ('flag', 'filter', 'watch')),
  -- 1: a filter; 2: a filter that reads what those explained; 3: the others. A rule never reads beyond an earlier stage
  stage int not null default 3,
  -- what it requires and this installation lacks: then NOT ENABLED, never silently skipped
  missing text[] not null default '{}',
  cursor_batch bigint not null default 0,
  last_run_at timestamptz,
  known_since timestamptz not null default clock_timestamp(),  -- from then on a rule that has not run is late
  loaded_at timestamptz not null default clock_timestamp(),  -- when a worker last said that it has the rule's file
  explained bigint not null default 0,  -- of a filter: how many accesses it has explained so far
  own boolean not null default false  -- of the installation, not shipped
);

-- Every run, also one that finds nothing: 45 CFR 164.308(a)(1)(ii)(D) asks for the examining, not only the finds.
create table review.run (
  run_id uuid primary key,
  rule_id text not null references review.rule,
  rule_version int not null,
  content_hash text not null,
  from_batch bigint not null,
  to_batch bigint not null check (to_batch >= from_batch),
  matched int not null default 0,
  created int not null default 0,
  merged int not null default 0,
  suppressed int not null default 0,
  started_at timestamptz not null,
  finished_at timestamptz not null default clock_timestamp(),
  status text not null check (status in ('ok', 'error')),
  error text,
  requested_by uuid references tenancy.users,  -- null: the schedule
  event_id bigint,  -- of who asked
  recorded_as bigint,  -- the run's own event
  -- what a scheduled run is for: exclusive, inclusive; more than one period where none ran for a while
  period_start timestamptz,
  period_end timestamptz check (period_end > period_start),
  second_look date  -- the nightly second look: what a rule found of the last days by the time of the event
);
create index run_rule on review.run (rule_id, finished_at desc);
-- The ledger decides: a period runs once, however many workers try, and the next begins where it ended.
create unique index run_period_start on review.run (rule_id, period_start) where status = 'ok';
create unique index run_period_end on review.run (rule_id, period_end) where status = 'ok';
create unique index run_second_look on review.run (rule_id, second_look) where status = 'ok';

create table review.disposition (
  name text primary key,
  second_person boolean not null,
  note text not null,
  bulk boolean not null default true  -- may be given to several anomalies at once
);
insert into review.disposition
values
  ('false_positive_rule', false, 'the rule is wrong here; say which cause', true),
  ('explained_treatment', false, 'treatment explains it; say which row, or who was asked and when', true),
  ('explained_payment', false, 'payment explains it', true),
  ('explained_operations', false, 'health care operations explain it', true),
  ('authorised_service', true, 'a declared or ticketed job of a service account', true),
  ('test_data', false, 'not a real record', true),
  ('duplicate', false, 'the same matter as another anomaly; name it', true),
  (
    'policy_violation_no_breach', true,
    'policy broken, an exception of 164.402(1) applies; name it and the sanction',
    false
  ),
  (
    'impermissible_low_probability', true,
    'impermissible, low probability of compromise by the four factors of 164.402(2)',
    false
  ),
  ('breach', true, 'a breach: the clocks of 164.404 run', false),
  ('undetermined', true, 'cannot be decided; say what is missing and when to look again', true);

create table review.suppression (
  id uuid primary key default gen_random_uuid(),
  rule_id text not null references review.rule,
  tier text not null,  -- of the rule, then
  tenant_id uuid not null references tenancy.tenant,
  actor_id uuid references tenancy.users,
  patient_id uuid,
  record_id uuid,
  action text,
  reason text not null check (length(reason) >= 4),
  ticket text not null check (btrim(ticket) <> ''),
  created_by uuid not null references tenancy.users,
  created_at timestamptz not null default clock_timestamp(),
  approved_by uuid references tenancy.users,
  approved_at timestamptz,
  starts_at timestamptz not null,
  expires_at timestamptz not null,
  ended_by uuid references tenancy.users,
  ended_at timestamptz,
  renews uuid references review.suppression,
  hits int not null default 0,
  last_hit_at timestamptz,
  event_id bigint not null,
  -- never a whole rule at a clinic
  constraint says_whom check (num_nonnulls(actor_id, patient_id, record_id, action) > 0),
  constraint ends check (
    expires_at > starts_at
    and expires_at <= starts_at + case tier when 'A' then interval '7 days' else interval '90 days' end
  ),
  constraint not_backdated check (starts_at >= created_at - interval '1 minute'),
  constraint second_person check (approved_by <> created_by),
  constraint approved_whole check ((approved_by is null) = (approved_at is null)),
  constraint nobody_suppresses_about_themself
    check (created_by is distinct from actor_id and approved_by is distinct from actor_id or actor_id is null)
);
create index suppression_rule on review.suppression (rule_id, tenant_id, expires_at);
grant select, update (hits, last_hit_at) on review.suppression to ward_worker;

-- One (tenant, rule, actor[, patient]); what happened again while it is open is evidence, after closing it is a new
-- one, linked.
create table review.anomaly (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references tenancy.tenant,
  rule_id text not null references review.rule,
  rule_version int not null,
  tier text not null,
  severity text not null,
  rank int generated always as (case severity
    when 'critical' then 1
    when 'high' then 2
    when 'medium' then 3
    else 4
  end) stored,
  actor_id uuid references tenancy.users,
  subject_id uuid,
  key bytea not null check (length(key) = 32),
  summary text not null,  -- ids, counts and times, never PHI
  facts jsonb not null default '{}',
  first_at timestamptz not null,
  last_at timestamptz not null,
  state text not null default 'new' check (state in (
    'new', 'claimed', 'in_review', 'waiting_info', 'pending_approval', 'closed', 'suppressed', 'merged', 'escalated'
  )),
  -- a column, since planning a page of the queue costs half of it where each index has the list
  open boolean generated always as (state not in ('closed', 'merged', 'suppressed')) stored,
  version int not null default 1,
  assigned_to uuid references tenancy.users,
  lease_until timestamptz,  -- the right to edit; assigned_to outlasts it
  disposition text references review.disposition,
  closed_by uuid references tenancy.users,
  closed_at timestamptz,
  close_reason text,
  approved_by uuid references tenancy.users,
  recurrence_of uuid references review.anomaly,
  created_at timestamptz not null default clock_timestamp(),
  suppression_id uuid references review.suppression,
  evidence_count int not null default 0,
  -- 164.404(a)(2); moved by review.discovery only
  discovered_on date not null default (clock_timestamp() at time zone 'UTC')::date,
  -- the earliest legal date by which somebody must be notified, if it is a breach
  due_on date not null default 'infinity',
  claim_by date not null default 'infinity',
  close_by date not null default 'infinity',
  closed_version int,  -- under which the fields of its closing stand
  review_on date,      -- when a closed undetermined one comes back
  constraint nobody_reviews_themself check (assigned_to is distinct from actor_id or actor_id is null),
  constraint nobody_closes_about_themself check (closed_by is distinct from actor_id or actor_id is null),
  constraint nobody_approves_about_themself check (approved_by is distinct from actor_id or actor_id is null),
  constraint four_eyes check (approved_by is null or approved_by is distinct from closed_by),
  constraint tier_a_is_approved check (state not in ('closed', 'merged') or tier <> 'A' or approved_by is not null),
  constraint closed_says_why check (state not in ('closed', 'merged', 'pending_approval')
    or (disposition is not null and closed_by is not null and close_reason <> '')),
  constraint suppressed_says_by_what check (state <> 'suppressed' or suppression_id is not null)
);
create unique index anomaly_open on review.anomaly (key) where open;
create index anomaly_queue on review.anomaly (rank, created_at, id) where open;
create index anomaly_key on review.anomaly (key, created_at desc);
create index anomaly_actor on review.anomaly (actor_id);
create unique index anomaly_suppressed on review.anomaly (key, suppression_id) where state = 'suppressed';
create index anomaly_due on review.anomaly (due_on, rank, id) where open;
create index anomaly_close_by on review.anomaly (close_by, rank, id) where open;
create index anomaly_of_tenant on review.anomaly (tenant_id, rank, created_at, id) where open;
create index anomaly_of_rule on review.anomaly (rule_id, rank, created_at, id) where open;
create index anomaly_of_tenant_due on review.anomaly (tenant_id, due_on, rank, id) where open;
create index anomaly_of_rule_due on review.anomaly (rule_id, due_on, rank, id) where open;
create index anomaly_of_tenant_close_by on review.anomaly (tenant_id, close_by, rank, id) where open;
create index anomaly_of_rule_close_by on review.anomaly (rule_id, close_by, rank, id) where open;
create index anomaly_of_tenant_rule on review.anomaly (tenant_id, rule_id, rank, created_at, id) where open;
create index anomaly_in_work on review.anomaly (state) where open and state <> 'new';
create index anomaly_breach on review.anomaly (discovered_on, id) where disposition = 'breach';
create index anomaly_lease on review.anomaly (lease_until) where state = 'claimed';
create index anomaly_review_on on review.anomaly (review_on) where review_on is not null;

-- A snapshot of the events, so that later pruning does not empty the file.
create table review.evidence (
  anomaly_id uuid not null references review.anomaly,
  event_id bigint not null,
  recorded_at timestamptz not null,
  at timestamptz not null,
  action text not null,
  outcome text not null,
  record_table text,
  record_id uuid,
  subject_id uuid,
  session_id uuid,
  purpose text,
  seq bigint not null,
  hash bytea not null,
  added_by_run uuid not null,
  primary key (anomaly_id, event_id)
);

create table review.transition (
  anomaly_id uuid not null references review.anomaly,
  version int not null,
  from_state text,
  to_state text not null,
  by_user uuid references tenancy.users,  -- null: the worker
  at timestamptz not null default clock_timestamp(),
  reason text,
  disposition text,
  evidence int not null default 0,  -- how much evidence there was to see
  event_id bigint,
  batch_id uuid,  -- of a change to several anomalies at once
  primary key (anomaly_id, version)
);

create table review.note (
  id bigint generated always as identity primary key,
  anomaly_id uuid not null references review.anomaly,
  by_user uuid not null references tenancy.users,
  at timestamptz not null default clock_timestamp(),
  text text not null check (text <> '' and length(text) <= 20000)
);
create index note_anomaly on review.note (anomaly_id, id);
grant select on review.disposition to ward_worker;
grant select, insert, update on review.rule to ward_worker;
grant select, insert on review.run, review.evidence, review.transition to ward_worker;
grant select on review.anomaly to ward_worker;
grant insert (
  id, tenant_id, rule_id, rule_version, tier, severity, actor_id, subject_id, key, summary, facts, first_at, last_at,
  recurrence_of, suppression_id, state
), update (summary, facts, first_at, last_at, version) on review.anomaly to ward_worker;

-- Which filter explains which access, and why. An access may have several; a flag sees those that have none.
create table review.explanation (
  event_id bigint not null,
  filter text not null references review.rule,
  filter_version int not null,
  tenant_id uuid not null,
  user_id uuid not null,
  patient_id uuid not null,
  at timestamptz not null,  -- of the access
  reason text not null check (reason ~ '^[a-z][a-z0-9_]{2,39}$'),
  valid_until timestamptz,  -- an access of the same person to the same patient inherits it until then; null: none does
  inherited_from bigint,    -- the access whose explanation this is; null: its own
  run_id uuid not null,
  primary key (event_id, filter),
  constraint inherits_from_another check (inherited_from <> event_id),
  -- what is inherited is not handed on: else one visit would explain a lifetime
  constraint inherited_ends_there check (inherited_from is null or valid_until is null)
);
create index explanation_pair on review.explanation (tenant_id, user_id, patient_id, at);
grant select, insert on review.explanation to ward_worker;

-- What an installation has beside the kinds of relationships: names that a rule may require.
create table review.input (
  name text primary key check (name ~ '^[a-z][a-z_]{2,39}$'),
  note text not null,
  ready boolean not null default false  -- whether this installation fills it
);
insert into review.input (name, note) values
  ('person_link', 'which patient record is that of a member of the staff, or of their family: review.person_link'),
  ('surname', 'a keyed hash of surnames, of staff and patients'),
  ('address_hash', 'a keyed hash of addresses, of staff and patients'),
  ('vip', 'which patients are in the public eye'),
  ('deceased_at', 'when a patient died'),
  ('source_ip', 'from which address a session came');
grant select on review.input to ward_worker, ward_migrate;
grant update (ready) on review.input to ward_migrate;

-- What people do on an ordinary day: kept by batch, so that no rule reads a history to know it. Whose patients, for as
-- long as a late event may come.
create table review.activity_patient (
  tenant_id uuid not null,
  user_id uuid not null,
  day date not null,  -- of the access, UTC
  patient_id uuid not null,
  first_at timestamptz not null,  -- the first access of that day
  accesses int not null,
  exports int not null,
  primary key (tenant_id, user_id, day, patient_id)
);

create table review.activity (
  tenant_id uuid not null,
  user_id uuid not null,
  day date not null,
  role text,
  patients int not null,  -- different ones
  accesses int not null,
  exports int not null,
  hours int[] not null check (cardinality(hours) = 24),  -- accesses by hour of the day, UTC
  primary key (tenant_id, user_id, day)
);
create index activity_peers on review.activity (tenant_id, day, role);

-- How far the two tables have read. Whoever moves it holds the row: each access is counted once.
create table review.baseline (
  one boolean primary key default true check (one),
  batch bigint not null default 0
);
insert into review.baseline default values;
grant select, insert, update on review.activity, review.activity_patient to ward_worker;
grant delete on review.activity_patient to ward_worker;
grant select, update on review.baseline to ward_worker;

grant select on review.explanation, review.activity, review.activity_patient, review.input to ward_rule;

-- A patient record of a user's, or of their family's.
create table review.person_link (
  tenant_id uuid not null references tenancy.tenant,
  user_id uuid not null references tenancy.users,
  patient_id uuid not null,
  known_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, user_id, patient_id)
);
create index person_link_patient on review.person_link (tenant_id, patient_id);

-- surname, address_hash: of a user or a patient, key is the keyed hash. vip: of a patient. deceased_at: of a patient,
-- at is when. source_ip: of a session, key is the keyed hash.
create table review.trait (
  input text not null references review.input,
  tenant_id uuid not null references tenancy.tenant,
  user_id uuid references tenancy.users,
  patient_id uuid,
  session_id uuid,
  key bytea check (length(key) = 32),
  at timestamptz,
  known_at timestamptz not null default clock_timestamp(),
  constraint one_holder check (num_nonnulls(user_id, patient_id, session_id) = 1),
  constraint of_its_kind check (case input
    when 'surname' then key is not null and session_id is null
    when 'address_hash' then key is not null and session_id is null
    when 'vip' then patient_id is not null
    when 'deceased_at' then patient_id is not null and at is not null
    when 'source_ip' then session_id is not null and key is not null
    else false
  end)
);
create unique index trait_holder on review.trait (tenant_id, input, coalesce(user_id, patient_id, session_id));
create index trait_key on review.trait (tenant_id, input, key);
create index trait_user on review.trait (user_id) where user_id is not null;
create index trait_patient on review.trait (patient_id) where patient_id is not null;
create index trait_session on review.trait (session_id) where session_id is not null;
grant select on review.person_link, review.trait to ward_worker;

-- What closing demands. Fields without an alternative are needed; of those with one, the fields of one alternative at
-- least.
create table review.disposition_field (
  disposition text not null references review.disposition,
  field text not null,
  position int not null,
  kind text not null check (kind in (
    'text', 'choice', 'past', 'future', 'count', 'anomaly', 'assessment', 'discovery', 'states', 'manifest', 'row'
  )),
  alternative text,
  needed boolean not null default true,
  choices text[],
  note text not null,
  primary key (disposition, field)
);
insert into review.disposition_field
select d, f, p, k, a, true, c, n
from (
  values
    (
      'false_positive_rule', 'cause', 1, 'choice', null,
      array['data_missing', 'data_late', 'wrong_identity', 'threshold', 'rule_logic', 'other'],
      'why the rule is wrong here'
    ),
    (
      'authorised_service', 'manifest', 1, 'manifest', 'manifest', null,
      'the declared entry of the service account: "view public.appointments"'
    ),
    ('authorised_service', 'ticket', 2, 'text', 'ticket', null, 'the ticket that authorised it'),
    ('duplicate', 'duplicate_of', 1, 'anomaly', null, null, 'the anomaly that goes on with it'),
    (
      'policy_violation_no_breach', 'exception', 1, 'choice', null,
      array['unintentional_access', 'inadvertent_disclosure', 'not_retained'],
      'which exception of 164.402(1): (i), (ii) or (iii)'
    ),
    (
      'policy_violation_no_breach', 'sanction', 2, 'text', null, null, 'where the sanction or the training is on record'
    ),
    (
      'impermissible_low_probability', 'assessment', 1, 'assessment', null, null,
      'the four factors, assessed as low probability'
    ),
    ('breach', 'affected', 1, 'count', null, null, 'how many individuals'),
    ('breach', 'discovered_on', 2, 'discovery', null, null, 'the date of discovery, as it stands'),
    ('breach', 'assessment', 3, 'assessment', 'assessed', null, 'the four factors, assessed as a breach'),
    (
      'breach', 'unassessed', 4, 'choice', 'unassessed', array['notify_without_assessment'],
      'notify without an assessment, which 164.402 permits'
    ),
    ('undetermined', 'missing', 1, 'text', null, null, 'what is missing'),
    ('undetermined', 'review_on', 2, 'future', null, null, 'when it comes back')
) v(d, f, p, k, a, c, n)
union all
select d, f, p, k, a, true, null, n
from unnest(array['explained_treatment', 'explained_payment', 'explained_operations']) d, (values
    ('row', 1, 'row', 'row', 'the row that explains it: "public.appointments/ID" or "event:NUMBER"'),
    ('asked', 2, 'text', 'asked', 'who was asked'),
    ('asked_on', 3, 'past', 'asked', 'when they were asked')) v(f, p, k, a, n);
insert into review.disposition_field
values ('breach', 'residents', 5, 'states', null, false, null, 'how many residents of which State: "CA:12,NV:3"');

-- The answers to what a disposition demands, by the version of the closing that they belong to.
create table review.disposition_value (
  anomaly_id uuid not null references review.anomaly,
  version int not null,
  disposition text not null,
  field text not null,
  value text not null,
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp(),
  primary key (anomaly_id, version, field),
  foreign key (disposition, field) references review.disposition_field
);

-- 164.402(2). facts: what the log knew when it was made.
create table review.assessment (
  id bigint generated always as identity primary key,
  anomaly_id uuid not null references review.anomaly,
  -- (i) nature and extent of the PHI, identifiers, likelihood of re-identification
  nature text not null check (length(nature) between 10 and 10000),
  -- (ii) who used it or to whom it was disclosed
  recipient text not null check (length(recipient) between 10 and 10000),
  -- (iii) whether it was actually acquired or viewed
  acquired text not null check (length(acquired) between 10 and 10000),
  mitigated text not null check (length(mitigated) between 10 and 10000),  -- (iv) how far the risk has been mitigated
  outcome text not null check (outcome in ('low_probability', 'breach')),
  facts jsonb not null,
  by_user uuid not null references tenancy.users,
  at timestamptz not null default clock_timestamp(),
  event_id bigint not null
);
create index assessment_anomaly on review.assessment (anomaly_id, id);

-- A date of discovery that somebody proposes, and what a second person says to it.
create table review.discovery (
  id bigint generated always as identity primary key,
  anomaly_id uuid not null references review.anomaly,
  discovered_on date,  -- proposed; null in an answer
  answers bigint unique references review.discovery,
  accepted boolean,
  reason text not null check (length(reason) >= 4),
  by_user uuid not null references tenancy.users,
  at timestamptz not null default clock_timestamp(),
  event_id bigint not null,
  check ((answers is null) = (discovered_on is not null) and (answers is null) = (accepted is null))
);
create index discovery_anomaly on review.discovery (anomaly_id, id);

-- 164.412: an official asks for delay. Said and not written, it holds for 30 days at most.
create table review.law_hold (
  id bigint generated always as identity primary key,
  anomaly_id uuid not null references review.anomaly,
  until date not null,
  written boolean not null,
  official text not null check (length(official) >= 4),
  by_user uuid not null references tenancy.users,
  at timestamptz not null default clock_timestamp(),
  event_id bigint not null,
  check (written or until <= (at at time zone 'UTC')::date + 30)
);
create index law_hold_anomaly on review.law_hold (anomaly_id);

-- 164.414(b): that the notices were made is the entity's to prove.
create table review.notice (
  id bigint generated always as identity primary key,
  anomaly_id uuid not null references review.anomaly,
  recipient text not null check (recipient in ('individuals', 'covered_entity', 'hhs', 'media')),
  made_on date not null,
  reference text not null check (length(reference) >= 4),
  by_user uuid not null references tenancy.users,
  at timestamptz not null default clock_timestamp(),
  event_id bigint not null,
  check (made_on <= (at at time zone 'UTC')::date)
);
create index notice_anomaly on review.notice (anomaly_id);

-- What an installation knows of contracts and of State law; the newest row counts, a null takes a term back. ward ships
-- none: it makes no claim about the law of a State.
create table review.tenant_term (
  id bigint generated always as identity primary key,
  tenant_id uuid not null references tenancy.tenant,
  state text check (state ~ '^[A-Z]{2}$'),  -- where the clinic's patients live, until it is known of each
  -- 164.410(b): a business associate tells the covered entity
  contract_days int check (contract_days between 1 and 60),
  reason text not null check (length(reason) >= 4),
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp()
);
create index tenant_term_tenant on review.tenant_term (tenant_id, id desc);

create table review.state_term (
  id bigint generated always as identity primary key,
  state text not null check (state ~ '^[A-Z]{2}$'),
  days int check (days between 1 and 60),
  citation text not null check (length(citation) >= 4),
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp()
);
create index state_term_state on review.state_term (state, id desc);

create table review.link (
  anomaly_id uuid not null references review.anomaly,
  other_id uuid not null references review.anomaly check (other_id <> anomaly_id),
  kind text not null check (kind in ('duplicate', 'related')),
  reason text not null,
  by_user uuid not null references tenancy.users, at timestamptz not null default clock_timestamp(),
  primary key (anomaly_id, other_id, kind)
);
create index link_other on review.link (other_id);

-- Files. The contents may be anything, PHI too: they are read by a recorded look only, and never searched.
create table review.attachment (
  anomaly_id uuid not null references review.anomaly,
  sha256 bytea not null,
  name text not null check (length(name) between 1 and 200 and name !~ '[/\\[:cntrl:]]'),
  bytes int not null,
  content bytea not null
    check (sha256(content) = sha256 and octet_length(content) = bytes and bytes between 1 and 5242880),
  by_user uuid not null references tenancy.users,
  at timestamptz not null default clock_timestamp(),
  event_id bigint not null,
  primary key (anomaly_id, sha256)
);

-- In how many business days an anomaly is claimed and closed. Operational: no law says so.
create table review.time_to (severity text primary key, claim int not null, close int not null);
insert into review.time_to values ('critical', 1, 3), ('high', 2, 10), ('medium', 5, 20), ('low', 10, 60);

-- The targets of the workers' settings, without addresses and secrets. One that no worker has named for an hour is told
-- nothing new.
create table review.alert_target (
  name text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  kind text not null check (kind in ('webhook', 'mail')),
  -- of the anomalies it is told of, at least; clocks and lateness go to all
  severity text not null check (severity in ('critical', 'high', 'medium', 'low')),
  digest boolean not null,
  seen_at timestamptz not null default clock_timestamp()
);

-- One for each matter, whoever finds it and however often.
create table review.alert (
  id uuid primary key default gen_random_uuid(),
  matter text not null unique,
  kind text not null check (kind in ('anomaly', 'clock', 'late', 'failing', 'digest')),
  tenant_id uuid not null references tenancy.tenant,
  anomaly_id uuid references review.anomaly,
  severity text not null check (severity in ('critical', 'high', 'medium', 'low')),
  content jsonb not null,
  created_at timestamptz not null default clock_timestamp()
);
create index alert_newest on review.alert (created_at desc, id);

create table review.delivery (
  id uuid primary key default gen_random_uuid(),  -- what the receiver knows a repetition by
  alert_id uuid not null references review.alert,
  target text not null references review.alert_target,
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
  attempts int not null default 0,
  error text,  -- of the last attempt, in ward's words: what the receiver said is not kept
  created_at timestamptz not null default clock_timestamp(),
  done_at timestamptz,
  event_id bigint,
  unique (alert_id, target),
  constraint done_says_when
    check ((state = 'waiting') = (done_at is null) and (state = 'waiting' or event_id is not null))
);
create index delivery_waiting on review.delivery (created_at) where state = 'waiting';
create index delivery_failed on review.delivery (done_at) where state = 'failed';
grant select on review.delivery to ward_worker;

create table review.rule_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  rule_id text not null,
  version int not null,
  content_hash text not null,
  missing text[] not null,
  front_matter jsonb not null
);
create index rule_log_rule on review.rule_log (rule_id, id);

-- A bundle: who asked for which period of which clinics, as known when. Its files stand outside; the hash of their
-- manifest is here.
create table review.bundle (
  id uuid primary key,
  made_by uuid not null references tenancy.users,
  made_at timestamptz not null default clock_timestamp(),
  tenants uuid[] not null check (cardinality(tenants) > 0),
  from_at timestamptz not null,
  to_at timestamptz not null check (to_at > from_at),
  as_of timestamptz not null check (as_of >= to_at),
  event_id bigint not null
);

create table review.bundle_manifest (
  bundle_id uuid primary key references review.bundle,
  sha256 bytea not null unique check (length(sha256) = 32),
  at timestamptz not null default clock_timestamp(),
  event_id bigint not null
);

-- A named reviewer certifies a period over the manifest of its bundle; somebody else approves. Both are events, whose
-- proofs an outsider can check.
create table review.certification (
  id uuid primary key default gen_random_uuid(),
  bundle_id uuid not null references review.bundle_manifest,
  reviewer_id uuid not null references tenancy.users,
  statement text not null check (length(statement) between 20 and 4000),
  at timestamptz not null default clock_timestamp(),
  event_id bigint not null,
  unique (id, reviewer_id),
  constraint certified_once unique (bundle_id, reviewer_id)
);

create table review.certification_approval (
  certification_id uuid primary key,
  reviewer_id uuid not null,
  approver_id uuid not null references tenancy.users,
  reason text not null,
  at timestamptz not null default clock_timestamp(),
  event_id bigint not null,
  foreign key (certification_id, reviewer_id) references review.certification (id, reviewer_id),
  constraint somebody_else_approves check (approver_id <> reviewer_id)
);

create type review.bundle_scope as (
  who uuid, tenants uuid[], from_at timestamptz, to_at timestamptz, as_of timestamptz
);

-- Who was said to be which patient, and no longer. review.person_link has what holds now.
create table review.person_link_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  xid xid8 not null default pg_current_xact_id(),
  tenant_id uuid not null,
  user_id uuid not null,
  patient_id uuid not null,
  removed boolean not null
);
create index person_link_log_link on review.person_link_log (tenant_id, user_id, patient_id, id);

reset role;
