-- The tables of schema audit: events, partitioned by month and append-only, their chain, and what was archived, pruned,
-- verified and imported. Logins write them through definer functions only.

set local role ward_owner;

-- Domains and not CHECKs of the table: a server parses every CHECK of a table anew for each statement that writes to
-- it, and a domain's once in a session. As CHECKs these five were three quarters of what an insert cost.
create domain audit.actor as text constraint actor_check check (value in ('human', 'service', 'unknown'));

-- the closed list: the first five on PHI, the rest on everything else
create domain audit.action as text constraint action_check check (value in (
  'view', 'create', 'modify', 'delete', 'export', 'sign_in', 'sign_out', 'refresh', 'refuse', 'search', 'open',
  'browse', 'terminate', 'grant', 'revoke', 'claim', 'assign', 'note', 'close', 'approve', 'reopen', 'escalate',
  'suppress', 'rule_run', 'verify', 'prove', 'seal_recover', 'ship', 'prune', 'tokenize', 'resolve', 'import',
  'backfill', 'configure'
));

create domain audit.outcome as text constraint outcome_check check (value in ('ok', 'denied'));

create domain audit.purpose as text constraint purpose_check check (value in (
  'treatment', 'payment', 'operations', 'break_glass', 'patient_request', 'research', 'audit', 'system'
));

create domain audit.source as text constraint source_check check (value in ('ward', 'import', 'simulation'));

create table audit.event (
  event_id bigint generated always as identity,
  recorded_at timestamptz not null default clock_timestamp(),  -- the database's clock
  occurred_at timestamptz,  -- another system's, for imported history
  xid xid8 not null default pg_current_xact_id(),  -- the sealer's batches are brackets of snapshots over it
  tenant_id uuid not null,
  user_id uuid,
  actor_kind audit.actor not null,
  session_id uuid,
  membership_id uuid,
  disclosure_id uuid,
  action audit.action not null,
  outcome audit.outcome not null default 'ok',
  record_table text,
  record_id uuid,
  subject_id uuid,
  purpose audit.purpose,
  detail text,  -- exact JSON text, never PHI
  source audit.source not null default 'ward',
  primary key (recorded_at, event_id)
) partition by range (recorded_at);
create index event_tenant on audit.event (tenant_id, recorded_at desc, event_id desc);
create index event_xid on audit.event (xid);
create index event_actor on audit.event (tenant_id, user_id, recorded_at desc);
alter table audit.event enable row level security;
alter table audit.event force row level security;
-- Only definer functions reach the table, and they run as the owner; the worker reads it to seal, ship and review.
create policy write_by_function on audit.event for insert to ward_owner with check (true);
create policy read_by_function on audit.event for select to ward_owner using (true);
create policy read_by_worker on audit.event for select to ward_worker using (true);
grant select on audit.event to ward_worker;

create table audit.chain (
  tenant_id uuid not null,
  seq bigint not null check (seq > 0),
  event_id bigint not null,
  recorded_at timestamptz not null,
  batch bigint not null,  -- what was sealed together; rules read by it, since a late row is in a later batch
  sealed_at timestamptz not null,
  -- random: without it, a proof's hashes of other rows could confirm a guess of what those say
  nonce bytea not null check (length(nonce) = 16),
  hash bytea not null check (length(hash) = 32),
  primary key (tenant_id, seq)
);
create unique index chain_event on audit.chain (event_id);
create index chain_batch on audit.chain (batch, tenant_id, seq);
grant select, insert on audit.chain to ward_worker;

-- Where the sealer stands: which transactions it has seen (a snapshot), and whose turn it is (the epoch fences a leader
-- that lost the lock).
create table audit.seal_state (
  one boolean primary key default true check (one),
  epoch bigint not null default 0,
  batch bigint not null default 0,
  snapshot pg_snapshot,
  -- the server that snapshot is of: on another one (a dump that was restored) its transaction numbers mean nothing
  cluster text,
  -- no batch is sealed at an earlier time: the months before it may be closed
  floor timestamptz not null default '-infinity'
);
insert into audit.seal_state default values;
grant select, update on audit.seal_state to ward_worker;

-- Where a tenant's chain goes on after the database lost rows that the archive has, or that a published chain head
-- names. The lost rows' places stay empty here.
create table audit.resume (
  tenant_id uuid not null,
  seq bigint not null check (seq > 0),
  hash bytea not null check (length(hash) = 32),
  sealed_at timestamptz not null,
  event_id bigint not null,  -- the administrator's order
  primary key (tenant_id, seq)
);
grant select, insert on audit.resume to ward_worker;

-- Which asked ids were another clinic's, which, for a portal identity, another patient's, and which nobody's: found
-- afterwards from keys alone, over what has been sealed since the last time, and written as denied. Returns how many.
create table audit.classified (one boolean primary key default true check (one), batch bigint not null default 0);
insert into audit.classified default values;
grant select on audit.classified to ward_worker;

-- A reviewer's verification: begun (and recorded) before anything is shown, its result after.
create table audit.verification (
  id uuid primary key,
  user_id uuid not null references tenancy.users,
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  store text not null,
  region text,                          -- null: every region of the store
  tenant uuid,                          -- null: every clinic
  months text[] not null default '{}',  -- empty: all
  verdict text check (verdict in ('valid', 'INVALID', 'not proven')),
  head_size bigint,
  breaks int,
  by_workers boolean not null default false,  -- workers recomputed rows: the verdict takes their word for those
  found jsonb not null default '{}'  -- what was not valid: {"REGION/YYYY-MM": verdict}; "" is what is about no month
);

create table audit.hold (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid references tenancy.tenant,                 -- null: every clinic's rows of the month
  month text check (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),  -- null: every month
  reason text not null,
  placed_by uuid not null references tenancy.users,
  placed_at timestamptz not null default clock_timestamp(),
  lifted_by uuid references tenancy.users,
  lifted_at timestamptz,
  lift_reason text,
  constraint hold_on_something check (tenant_id is not null or month is not null),
  constraint hold_lifted
    check ((lifted_at is null) = (lifted_by is null) and (lifted_at is null) = (lift_reason is null))
);
grant select on audit.hold to ward_worker;

-- The months that only the archive has.
create table audit.pruned (
  month date primary key check (month = date_trunc('month', month)),
  request bigint not null unique,  -- the administrator's event
  event_id bigint not null,        -- the worker's
  rows bigint not null,
  digest bytea not null,      -- over the rows as they were dropped
  parts text[] not null,      -- which hold them
  head_size bigint not null,  -- how far the archive's log reached: a shorter one has been rolled back
  at timestamptz not null default clock_timestamp()
);
grant select on audit.pruned to ward_worker;

-- What the worker found out for the reviewer who asked.
create table audit.answer (
  request bigint primary key,
  state text not null check (state in ('done', 'refused', 'failed')),
  report jsonb not null,
  at timestamptz not null default clock_timestamp()
);
grant select, insert on audit.answer to ward_worker;

-- History of another system. What was imported is known by the hash of the id that it has there, so that a second
-- import of the same adds nothing.
create table audit.import (
  id uuid primary key,
  tenant_id uuid not null references tenancy.tenant,
  system text not null check (system ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
  file bytea not null check (length(file) = 32),  -- SHA-256 of what is read
  started_by uuid not null references tenancy.users,
  started_at timestamptz not null default clock_timestamp(),
  event_id bigint not null
);
create index import_file on audit.import (tenant_id, system, file);

create table audit.import_batch (
  import_id uuid not null references audit.import,
  upto_line bigint not null,
  added int not null,
  already_imported int not null,
  at timestamptz not null default clock_timestamp(),
  event_id bigint not null,
  primary key (import_id, upto_line)
);

create table audit.imported (
  tenant_id uuid not null,
  system text not null,
  source bytea not null check (length(source) = 32),
  import_id uuid not null references audit.import,
  primary key (tenant_id, system, source)
);

create table audit.part_check (
  verification uuid not null references audit.verification,
  path text not null,
  task jsonb not null,  -- the part's signed manifest and the published heads about it: no row
  asked_at timestamptz not null default clock_timestamp(),
  tries int not null default 0,  -- how many workers have begun
  worker text,                   -- the last one that began
  beat_at timestamptz,           -- when it was last seen at it
  outcome jsonb,                 -- {"outcome": ...} or {"error": text}
  finished_at timestamptz,
  primary key (verification, path)
);
grant select on audit.part_check to ward_worker;
grant update (tries, worker, beat_at, outcome, finished_at) on audit.part_check to ward_worker;
grant select on audit.verification to ward_worker;

reset role;
