-- Rules, their runs, and the anomaly queue.

-- +goose Up
set local role ward_owner;

create table review.rule (
  id           text primary key,
  version      int not null,
  tier         text not null check (tier in ('A', 'B', 'C', 'S')),
  severity     text not null check (severity in ('critical', 'high', 'medium', 'low')),
  title        text not null,
  content_hash text not null,
  front_matter jsonb not null,
  kind         text not null default 'flag' check (kind in ('flag', 'filter', 'watch')),
  stage        int not null default 3,         -- 1: a filter; 2: a filter that reads what those explained; 3: the others. A rule never reads beyond an earlier stage
  missing      text[] not null default '{}',   -- what it requires and this installation lacks: then NOT ENABLED, never silently skipped
  cursor_batch bigint not null default 0,
  last_run_at  timestamptz,
  known_since  timestamptz not null default clock_timestamp(),  -- from then on a rule that has not run is late
  loaded_at    timestamptz not null default clock_timestamp(),  -- when a worker last said that it has the rule's file
  explained    bigint not null default 0                        -- of a filter: how many accesses it has explained so far
);
-- Every run, also one that finds nothing: 45 CFR 164.308(a)(1)(ii)(D) asks for the examining, not only the finds.
create table review.run (
  run_id       uuid primary key,
  rule_id      text not null references review.rule,
  rule_version int not null,
  content_hash text not null,
  from_batch   bigint not null,
  to_batch     bigint not null check (to_batch >= from_batch),
  matched      int not null default 0,
  created      int not null default 0,
  merged       int not null default 0,
  suppressed   int not null default 0,
  started_at   timestamptz not null,
  finished_at  timestamptz not null default clock_timestamp(),
  status       text not null check (status in ('ok', 'error')),
  error        text,
  requested_by uuid references tenancy.users,   -- null: the schedule
  event_id     bigint,                          -- of who asked
  recorded_as  bigint,                          -- the run's own event
  period_start timestamptz,                     -- what a scheduled run is for: exclusive, inclusive; more than one period where none ran for a while
  period_end   timestamptz check (period_end > period_start)
);
create index run_rule on review.run (rule_id, finished_at desc);
-- The ledger decides: a period runs once, however many workers try, and the next begins where it ended.
create unique index run_period_start on review.run (rule_id, period_start) where status = 'ok';
create unique index run_period_end on review.run (rule_id, period_end) where status = 'ok';
create trigger append_only before update or delete on review.run for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on review.run for each statement execute function audit.append_only();

create table review.disposition (name text primary key, second_person boolean not null, note text not null);
insert into review.disposition values
  ('false_positive_rule', false, 'the rule is wrong here; say which cause'),
  ('explained_treatment', false, 'treatment explains it; say which row, or who was asked and when'),
  ('explained_payment', false, 'payment explains it'),
  ('explained_operations', false, 'health care operations explain it'),
  ('authorised_service', true, 'a declared or ticketed job of a service account'),
  ('test_data', false, 'not a real record'),
  ('duplicate', false, 'the same matter as another anomaly; name it'),
  ('policy_violation_no_breach', true, 'policy broken, an exception of 164.402(1) applies; name it and the sanction'),
  ('impermissible_low_probability', true, 'impermissible, low probability of compromise by the four factors of 164.402(2)'),
  ('breach', true, 'a breach: the clocks of 164.404 run'),
  ('undetermined', true, 'cannot be decided; say what is missing and when to look again');

-- One (tenant, rule, actor[, patient]); what happened again while it is open is evidence, after closing it is a new one, linked.
create table review.anomaly (
  id             uuid primary key default gen_random_uuid(),
  tenant_id      uuid not null references tenancy.tenant,
  rule_id        text not null references review.rule,
  rule_version   int not null,
  tier           text not null,
  severity       text not null,
  rank           int generated always as (case severity when 'critical' then 1 when 'high' then 2 when 'medium' then 3 else 4 end) stored,
  actor_id       uuid references tenancy.users,
  subject_id     uuid,
  key            bytea not null check (length(key) = 32),
  summary        text not null,              -- ids, counts and times, never PHI
  facts          jsonb not null default '{}',
  first_at       timestamptz not null,
  last_at        timestamptz not null,
  state          text not null default 'new' check (state in ('new', 'claimed', 'in_review', 'waiting_info', 'pending_approval', 'closed', 'suppressed', 'merged', 'escalated')),
  open           boolean generated always as (state not in ('closed', 'merged', 'suppressed')) stored,  -- a column, since planning a page of the queue costs half of it where each index has the list
  version        int not null default 1,
  assigned_to    uuid references tenancy.users,
  lease_until    timestamptz,                -- the right to edit; assigned_to outlasts it
  disposition    text references review.disposition,
  closed_by      uuid references tenancy.users,
  closed_at      timestamptz,
  close_reason   text,
  approved_by    uuid references tenancy.users,
  recurrence_of  uuid references review.anomaly,
  created_at     timestamptz not null default clock_timestamp(),
  constraint nobody_reviews_themself check (assigned_to is distinct from actor_id or actor_id is null),
  constraint nobody_closes_about_themself check (closed_by is distinct from actor_id or actor_id is null),
  constraint nobody_approves_about_themself check (approved_by is distinct from actor_id or actor_id is null),
  constraint four_eyes check (approved_by is null or approved_by is distinct from closed_by),
  constraint tier_a_is_approved check (state <> 'closed' or tier <> 'A' or approved_by is not null),
  constraint closed_says_why check (state not in ('closed', 'pending_approval') or (disposition is not null and closed_by is not null and close_reason <> ''))
);
create unique index anomaly_open on review.anomaly (key) where open;
create index anomaly_queue on review.anomaly (rank, created_at, id) where open;
create index anomaly_key on review.anomaly (key, created_at desc);
create index anomaly_actor on review.anomaly (actor_id);
create trigger no_delete before delete on review.anomaly for each row execute function tenancy.no_delete();
create trigger no_truncate before truncate on review.anomaly for each statement execute function tenancy.no_delete();

-- A snapshot of the events, so that later pruning does not empty the file.
create table review.evidence (
  anomaly_id   uuid not null references review.anomaly,
  event_id     bigint not null,
  recorded_at  timestamptz not null,
  at           timestamptz not null,
  action       text not null,
  outcome      text not null,
  record_table text,
  record_id    uuid,
  subject_id   uuid,
  session_id   uuid,
  purpose      text,
  seq          bigint not null,
  hash         bytea not null,
  added_by_run uuid not null,
  primary key (anomaly_id, event_id)
);
create trigger append_only before update or delete on review.evidence for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on review.evidence for each statement execute function audit.append_only();
create table review.transition (
  anomaly_id  uuid not null references review.anomaly,
  version     int not null,
  from_state  text,
  to_state    text not null,
  by_user     uuid references tenancy.users,   -- null: the worker
  at          timestamptz not null default clock_timestamp(),
  reason      text,
  disposition text,
  evidence    int not null default 0,           -- how much evidence there was to see
  event_id    bigint,
  primary key (anomaly_id, version)
);
create trigger append_only before update or delete on review.transition for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on review.transition for each statement execute function audit.append_only();
create table review.note (
  id         bigint generated always as identity primary key,
  anomaly_id uuid not null references review.anomaly,
  by_user    uuid not null references tenancy.users,
  at         timestamptz not null default clock_timestamp(),
  text       text not null check (text <> '' and length(text) <= 20000)
);
create index note_anomaly on review.note (anomaly_id, id);
create trigger append_only before update or delete on review.note for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on review.note for each statement execute function audit.append_only();

-- What a rule reads: sealed events with their patient. No PHI is in it. known: the record was ever this clinic's; asking for any other showed nothing.
create view review.access as
  select c.batch, c.seq, c.hash, c.sealed_at, e.event_id, e.tenant_id, e.user_id, e.actor_kind, e.session_id, e.membership_id, e.action, e.outcome, e.record_table, e.record_id,
    coalesce(e.subject_id, r.subject_id) as patient_id, r.record_id is not null as known, e.purpose, e.detail, coalesce(e.occurred_at, e.recorded_at) as at, e.recorded_at, e.disclosure_id, e.source
  from audit.chain c join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
    -- OFFSET 0: looked up for each event by its key. As a join, it was a pass over all records where the planner knew too little
    left join lateral (select r.record_id, r.subject_id from tenancy.record r where r.record_id = e.record_id and r.record_table = e.record_table and r.tenant_id = e.tenant_id offset 0) r on true;

-- The newest batch of which everything was sealed at or before a time. Batches are sealed in order, so a search by halves finds it: looking at every row that has not
-- settled would cost a run of each rule what two days hold.
-- +goose StatementBegin
create function review.settled(at timestamptz, low bigint) returns bigint language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare high bigint; mid bigint; c record;
begin
  select max(batch) into high from audit.chain;
  while low < coalesce(high, 0) loop  -- everything up to low has settled, nothing after high has
    mid := low + (high - low + 1) / 2;
    select x.batch, x.sealed_at into c from audit.chain x where x.batch >= mid order by x.batch limit 1;
    if c.sealed_at <= at then low := c.batch; else high := mid - 1; end if;
  end loop;
  return low;
end $$;
-- +goose StatementEnd
revoke execute on function review.settled from public;
grant execute on function review.settled to ward_worker;

-- The jobs that are not done, by queue and state; River's tables come after this migration.
-- +goose StatementBegin
create function review.job_counts() returns table (queue text, state text, jobs bigint) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return query select j.queue, j.state::text, count(*) from river.river_job j where j.state not in ('completed', 'cancelled') group by j.queue, j.state order by 1, 2;
end $$;
-- +goose StatementEnd
grant execute on function review.job_counts to ward_worker;

grant select on review.access, review.disposition to ward_worker;
grant select, insert, update on review.rule to ward_worker;
grant select, insert on review.run, review.evidence, review.transition to ward_worker;
grant select on review.anomaly to ward_worker;
grant insert (id, tenant_id, rule_id, rule_version, tier, severity, actor_id, subject_id, key, summary, facts, first_at, last_at, recurrence_of), update (summary, facts, first_at, last_at, version) on review.anomaly to ward_worker;
reset role;
