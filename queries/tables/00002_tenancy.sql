-- The tables of schema tenancy: regions, tenants, users, memberships, sessions, keys, sign-in; the roles and what they
-- may do; protected tables, disclosures, and who has to do with whose care.
-- None of it is PHI. ward_app reads none of it directly: it calls functions.

set local role ward_owner;

create table tenancy.region (
  name text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  created_at timestamptz not null default clock_timestamp()
);

-- The region that this database serves. A token of another region is refused by tenancy.begin.
create table tenancy.instance (
  one boolean primary key default true check (one),
  region text not null references tenancy.region,
  -- the newest time that the server's clock has shown, as the worker notes it every second (tenancy.tick): a clock that
  -- is behind it has been set back
  seen_at timestamptz not null default '-infinity'
);

create table tenancy.tenant (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  name text not null check (name <> ''),
  region text not null references tenancy.region,
  -- 'installation' is the tenant of events that belong to no clinic: one in each region
  kind text not null default 'clinic' check (kind in ('clinic', 'installation')),
  created_at timestamptz not null default clock_timestamp(),
  -- years from the end of the month of sealing on, to which ninety days are added
  retain_years int not null default 6 constraint tenant_retain_years check (retain_years between 6 and 100)
);
create unique index tenant_installation on tenancy.tenant (region) where kind = 'installation';

-- One row per human or service account for life (45 CFR 164.312(a)(2)(i)); never deleted, never given to somebody else.
create table tenancy.users (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
  name text not null check (name <> ''),
  kind text not null check (kind in ('human', 'service')),
  owner_id uuid references tenancy.users check (kind = 'human' or owner_id is not null or slug = 'ward-worker'),
  password_hash text,
  disabled_at timestamptz,
  -- sessions that began before are over: for an end that must not wait for whoever holds a session's row
  -- (tenancy.end_sessions)
  sessions_after timestamptz,
  created_at timestamptz not null default clock_timestamp()
);

create table tenancy.role (
  name text primary key check (name ~ '^[a-z][a-z_]{0,39}$'),
  note text not null
);
insert into tenancy.role values
  ('clinician', 'treats patients: opens and writes every clinical table'),
  ('nurse', 'assists in treatment: opens every clinical table, writes notes and messages'),
  ('front_desk', 'books and registers: patients and appointments, no notes'),
  ('billing', 'claims and what they rest on, no notes'),
  ('records', 'medical records office: opens and exports'),
  ('service', 'a program; bounded further by its declared list'),
  ('patient', 'a patient''s portal identity, or a parent''s: one patient''s records only');

-- user x tenant x role. A change of role is a new row; the end is a mark, not a deletion.
create table tenancy.membership (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references tenancy.tenant,
  user_id uuid not null references tenancy.users,
  role text not null references tenancy.role,
  started_at timestamptz not null default clock_timestamp(),
  ended_on date,              -- what HR says; may be earlier than terminated_at
  terminated_at timestamptz,  -- the database's; from then on every transaction under this membership is refused
  terminated_by uuid references tenancy.users,
  reason text,
  patient_id uuid,  -- the one whose records a portal identity reaches; a parent of two has two memberships
  check (terminated_at is null or (reason is not null and reason <> '')),
  check ((role = 'patient') = (patient_id is not null))
);
create unique index membership_live on tenancy.membership (tenant_id, user_id, role, patient_id) nulls not distinct
  where terminated_at is null;
create index membership_user on tenancy.membership (user_id);

-- What a service account has declared that it does. Anything else that it does is a finding (rule A05), not an error.
create table tenancy.service_permission (
  user_id uuid not null references tenancy.users,
  tenant_id uuid references tenancy.tenant,  -- null: every tenant
  action text not null,
  record_table text not null,
  from_hour int not null default 0 check (from_hour between 0 and 23),  -- UTC, inclusive
  to_hour int not null default 24 check (to_hour between 1 and 24),     -- UTC, exclusive
  check (from_hour < to_hour),
  constraint service_declared unique nulls not distinct (user_id, tenant_id, action, record_table, from_hour)
);

-- role x table x action: what a membership may ask for at all
create table tenancy.permission (
  role text not null references tenancy.role,
  record_table text not null,
  action text not null check (action in ('view', 'create', 'modify', 'delete', 'export')),
  primary key (role, record_table, action)
);

-- Several applications share one database, each with its own audience and its own login. A token of one is refused from
-- the login of another (tenancy.audience_allowed).
create table tenancy.application (
  aud text primary key check (aud ~ '^[a-z][a-z0-9_-]{0,39}$'),
  login_role text not null,
  note text not null,
  created_at timestamptz not null default clock_timestamp()
);
insert into tenancy.application (aud, login_role, note)
values ('app', 'ward_app', 'the application'), ('review', 'ward_reviewer', 'terminal and command line');

create table tenancy.session (
  session_id uuid primary key default gen_random_uuid(),
  user_id uuid not null references tenancy.users,
  tenant_id uuid references tenancy.tenant,  -- null: a reviewer's
  membership_id uuid references tenancy.membership,
  aud text not null references tenancy.application,
  login_role text not null,  -- the application's
  method text not null default 'password' check (method in ('password', 'oidc', 'secret')),
  second_factor boolean not null default false,  -- one was demanded and given
  -- the jti of the access tokens that committed transactions issued, newest last, at most 32: what a refresh that was
  -- rolled back has minted is none of them
  issued uuid[] not null default '{}' check (cardinality(issued) <= 32),
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoke_reason text,
  check ((tenant_id is null) = (membership_id is null)),
  check ((aud = 'review') = (tenant_id is null))
);
create index session_of_user on tenancy.session (user_id);
create index session_membership on tenancy.session (membership_id) where revoked_at is null;

-- Only the SHA-256 of a refresh token is kept: the current one of a session, and those used so shortly ago that they
-- may come once more. An older one is known by its own MAC.
create table tenancy.refresh_token (
  sha256 bytea primary key,
  session_id uuid not null references tenancy.session,
  issued_at timestamptz not null default clock_timestamp(),
  used_at timestamptz
);
create index refresh_token_session on tenancy.refresh_token (session_id);
create index refresh_token_age on tenancy.refresh_token (issued_at);

-- Who may review what, and until when. The reach is here and nowhere else: a reviewer's token names no tenant.
create table tenancy.reviewer_grant (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references tenancy.users,
  role text not null check (role in ('administrator', 'compliance_officer', 'auditor', 'on_call_engineer')),
  tenant_id uuid references tenancy.tenant,  -- null: every tenant
  granted_by uuid references tenancy.users,
  reason text not null check (reason <> ''),
  ticket text,
  starts_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  ended_at timestamptz,
  -- an engineer reaches one clinic, for at most four hours, with a ticket
  check (
    role <> 'on_call_engineer'
    or (
      tenant_id is not null
      and ticket is not null
      and ticket <> ''
      and expires_at is not null
      and expires_at <= starts_at + interval '4 hours'
    )
  )
);
create index reviewer_grant_user on tenancy.reviewer_grant (user_id) where ended_at is null;

-- Who may take an on-call grant by themself, and for which clinic. Standing here opens nothing: the person can sign in
-- as a reviewer and take one.
create table tenancy.on_call (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references tenancy.users,
  tenant_id uuid references tenancy.tenant,  -- null: any clinic, one at a time
  added_at timestamptz not null default clock_timestamp(),
  added_by uuid not null references tenancy.users,
  reason text not null check (reason <> ''),
  removed_at timestamptz
);
create unique index on_call_standing on tenancy.on_call (user_id, tenant_id) nulls not distinct
  where removed_at is null;

-- reviewer's role x action; docs/SECURITY.md shows it as a table and a test holds the two together
create table tenancy.reviewer_action (
  role text not null,
  action text not null,
  primary key (role, action)
);
insert into tenancy.reviewer_action
select role, unnest(actions)
from (
  values
    ('administrator', array['browse', 'configure', 'grant', 'terminate', 'revoke', 'seal_recover', 'prune', 'import']),
    ('compliance_officer', array[
      'browse', 'open', 'search', 'export', 'claim', 'assign', 'note', 'close', 'approve', 'reopen', 'escalate',
      'terminate', 'rule_run', 'verify', 'ship', 'prove', 'suppress'
    ]),
    ('auditor', array['browse', 'open', 'search', 'export', 'verify', 'prove']),
    ('on_call_engineer', array['browse', 'open', 'search'])
) as v(role, actions);

-- Lengths of time that an installation may shorten. Nothing here can be longer than the check allows.
create table tenancy.setting (
  one boolean primary key default true check (one),
  access_token interval not null default '10 minutes'
    check (access_token between interval '1 second' and interval '10 minutes'),
  identity interval not null default '60 seconds'
    check (identity between interval '100 milliseconds' and interval '60 seconds'),
  disclosure_lease interval not null default '30 seconds'
    check (disclosure_lease between interval '100 milliseconds' and interval '5 minutes'),
  review_lease interval not null default '15 minutes'
    check (review_lease between interval '100 milliseconds' and interval '15 minutes'),
  -- how long after its use a refresh token may come again: at all (several tabs at once), and while its successor has
  -- not been used (the answer was lost)
  refresh_grace interval not null default '10 seconds'
    check (refresh_grace between interval '0' and interval '60 seconds'),
  refresh_parent interval not null default '60 seconds'
    check (refresh_parent between interval '0' and interval '5 minutes'),
  session interval not null default '12 hours' check (session between interval '1 minute' and interval '24 hours'),
  second_factor text not null default 'optional' check (second_factor in ('optional', 'required')),
  prune_after int not null default 3 check (prune_after >= 1)  -- whole months that must have passed since a month's end
);
insert into tenancy.setting default values;

-- Every protected table, and what protect() was told about it.
create table tenancy.phi_table (
  record_table text primary key,  -- schema-qualified
  subject_column text,            -- the column that names the patient; 'id' for the patients themselves
  open_columns text[] not null default '{}',
  -- unique and exclusion constraints accepted although a violation tells that a value exists
  oracles text[] not null default '{}',
  protected_at timestamptz not null default clock_timestamp(),
  -- what made its policies, triggers and view (core.release): an older one is made anew by ward migrate
  generator text not null
);

-- Committed permissions to look, for seconds (PHI) or minutes (review). Unlogged: after a crash they are gone, and so
-- is the permission; the events that they were written with are not.
create unlogged table tenancy.disclosure (
  disclosure_id uuid not null,
  session_id uuid not null,
  user_id uuid not null,
  tenant_id uuid,      -- null: a reviewer's look over several clinics
  what text not null,  -- a PHI table, 'find:' and a PHI table, or what a reviewer looks at
  ids uuid[] not null default '{}',
  payload jsonb not null default '{}',
  xid xid8 not null default pg_current_xact_id(),
  expires_at timestamptz not null
);
create index disclosure_id on tenancy.disclosure (disclosure_id);

-- Which record belongs to which tenant and patient: random ids only, kept by the write trigger, so that the worker can
-- tell whose an asked id was without reading any PHI table. The tenant is in the key: the same id in two clinics is no
-- conflict, hence tells nothing.
create table tenancy.record (
  record_table text not null,
  record_id uuid not null,
  tenant_id uuid not null,
  subject_id uuid,
  created_at timestamptz not null default clock_timestamp(),
  deleted_at timestamptz,
  primary key (record_id, record_table, tenant_id)
);

set local role ward_keys;

-- The newest key without retire_at signs; one with retire_at verifies until then; a retired one has lost its secret.
create table tenancy.signing_key (
  kid text primary key,
  -- of its tokens, as it stands in them: whatever says something else names no key of ours, so that there is no
  -- algorithm to choose
  head text not null unique,
  secret bytea check (length(secret) >= 32),
  created_at timestamptz not null default clock_timestamp(),
  retire_at timestamptz,
  retired_at timestamptz,
  check (secret is not null or retired_at is not null)
);
grant select (kid, created_at, retire_at, retired_at) on tenancy.signing_key to ward_owner;

create table tenancy.mac_key (
  one boolean primary key default true check (one), secret bytea not null check (length(secret) >= 32)
);
insert into tenancy.mac_key (secret) values (public.gen_random_bytes(32));
-- without a policy: their owner reads them, a member of pg_read_all_data does not
alter table tenancy.signing_key enable row level security;
alter table tenancy.mac_key enable row level security;
-- the columns that it was granted: no secrets
create policy listed on tenancy.signing_key for select to ward_owner using (true);

set local role ward_owner;
-- tenancy.begin needs these besides the keys
grant select (
  session_id, user_id, tenant_id, membership_id, aud, login_role, issued, created_at, expires_at, revoked_at
) on tenancy.session to ward_keys;
grant select (id, disabled_at, sessions_after) on tenancy.users to ward_keys;
grant select (id, terminated_at) on tenancy.membership to ward_keys;
grant select on tenancy.instance, tenancy.setting to ward_keys;
grant select on tenancy.tenant, tenancy.membership, tenancy.record, tenancy.phi_table, tenancy.service_permission,
    tenancy.region, tenancy.instance
  to ward_worker;
grant select (id, slug, name, kind, owner_id, disabled_at, created_at) on tenancy.users to ward_worker;
grant select on tenancy.phi_table to ward_reader, ward_app, ward_reviewer;

set local role ward_keys;

-- What a token proves. why is null when it is accepted; the rest is null when the signature is not ours.
create type tenancy.proof as (
  why text, claims text, c jsonb, session_id uuid, user_id uuid, tenant_id uuid, membership_id uuid
);

-- Counts what tenancy.begin accepted in a session. It goes neither back with a savepoint nor anywhere by SQL of the
-- client, so that only the newest identity holds: a client with two tokens could otherwise begin both in one
-- transaction and put the first one's claims back in mid-statement.
create unlogged sequence tenancy.begun;

set local role ward_owner;
grant select on tenancy.phi_table to ward_migrate;
grant references on tenancy.tenant, tenancy.users to ward_migrate;

-- How often somebody may fail: level counts failures and drains by one every `drain`; above `free`, each failure closes
-- for 1 s, 2 s, 4 s ... up to `longest`.
create table tenancy.throttle_limit (
  kind text primary key check (kind in ('name', 'source', 'connection')),
  free int not null check (free between 1 and 10000),
  drain interval not null check (drain between interval '1 millisecond' and interval '1 hour'),
  longest interval not null check (longest between interval '1 second' and interval '15 minutes')
);
insert into tenancy.throttle_limit values
  ('name', 5, '15 minutes', '15 minutes'),   -- a user name as typed, also one that there is not
  ('source', 20, '1 minute', '15 minutes'),  -- where the person is, as the application says
  -- login role and address of the database client: what somebody meets who tries many names
  ('connection', 200, '1 second', '1 second');

-- Keys are keyed hashes: what was typed as a name may be a password. A row goes when its level has drained; failures
-- alone make rows, and each kind 'connection' lets about one failure a second through, so that there are some thousands
-- at most. No index but the key's: a failure that is counted would take longer than one that is not.
create table tenancy.throttle (
  key text primary key,
  kind text not null references tenancy.throttle_limit,
  level float8 not null,
  level_at timestamptz not null,
  until timestamptz not null,  -- before then every try is refused
  forget_at timestamptz not null
);

-- Tries whose answer has not been fetched. Every row has the same size whatever came of the try, so that its WAL tells
-- nothing.
create table tenancy.attempt (
  ticket bytea primary key,  -- its SHA-256
  name text not null,
  source text,
  connection text not null,
  user_id uuid not null,     -- random where there is no such user
  held boolean not null,     -- the password did
  allowed boolean not null,  -- no delay was running
  asked jsonb not null,      -- audience, tenant, role, code; leaked: the password stood in the query text
  xid xid8 not null default pg_current_xact_id(),
  tried_at timestamptz not null default clock_timestamp()
);
create index attempt_age on tenancy.attempt (tried_at);

-- What signing in or refreshing yields: tokens; or why not, and where the password was proven what is still needed:
-- 'tenant' (choices lists {"tenant", "name", "role"}) or 'second_factor'.
create type tenancy.signed as (
  access_token text, refresh_token text, expires_at timestamptz, session_id uuid, reason text, needs text, choices jsonb
);
grant references (id) on tenancy.users to ward_keys;
grant references (session_id) on tenancy.session to ward_keys;

set local role ward_keys;

-- At most one that is active and one that waits for its first code, for each user; an end is a mark, not a deletion.
create table tenancy.totp (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references tenancy.users (id),
  secret bytea not null check (length(secret) = 20),
  session_id uuid not null references tenancy.session (session_id),  -- that enrolled it
  created_at timestamptz not null default clock_timestamp(),
  active_at timestamptz,
  ended_at timestamptz,
  -- the newest step whose code was used: none works twice, and none after a later one
  last_step bigint not null default 0,
  forgiven bigint not null default 0  -- the count of tries at the last success
);
create unique index totp_active on tenancy.totp (user_id) where active_at is not null and ended_at is null;
create unique index totp_pending on tenancy.totp (user_id) where active_at is null and ended_at is null;

-- 80 random bits each, so that a plain hash of one cannot be searched through.
create table tenancy.recovery_code (
  totp_id uuid not null references tenancy.totp,
  sha256 bytea not null,
  used_at timestamptz,
  primary key (totp_id, sha256)
);
-- without a policy, as the tables of keys: their owner reads them, a member of pg_read_all_data does not
alter table tenancy.totp enable row level security;
alter table tenancy.recovery_code enable row level security;

set local role ward_owner;

-- The providers that an administrator declared; ended, never removed.
create table tenancy.issuer (
  id uuid primary key default gen_random_uuid(),
  issuer text not null check (
    issuer ~ '^https://[^?#\s]+$'
    or issuer ~ '^http://(localhost|127[.][0-9]+[.][0-9]+[.][0-9]+|\[::1\])(:[0-9]+)?(/[^?#\s]*)?$'
  ),
  client_id text not null check (client_id <> ''),
  endpoints jsonb not null,                   -- of discovery: jwks_uri, token_endpoint, device_authorization_endpoint
  required_acr text[] not null default '{}',  -- acr is one of these, where there are any
  required_amr text[] not null default '{}',  -- amr holds all of these
  declared_by uuid not null references tenancy.users,
  declared_at timestamptz not null default clock_timestamp(),
  fetched_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz
);
create unique index issuer_live on tenancy.issuer (issuer) where ended_at is null;

-- A provider's public keys. The algorithm is the key's, never what a token's header says. RS256 is what OpenID Connect
-- Core 1.0 section 15.1 asks of every provider; other algorithms are not supported.
create table tenancy.issuer_key (
  id uuid primary key default gen_random_uuid(),
  issuer_id uuid not null references tenancy.issuer,
  kid text not null check (length(kid) between 1 and 200),
  alg text not null default 'RS256' check (alg = 'RS256'),
  n bytea not null check (
    length(n) between 256 and 512
    and get_byte(n, 0) >= case length(n) when 256 then 128 else 1 end
    and get_byte(n, length(n) - 1) % 2 = 1
  ),
  e int not null check (e >= 65537 and e % 2 = 1),
  added_at timestamptz not null default clock_timestamp(),
  retired_at timestamptz
);
create unique index issuer_key_live on tenancy.issuer_key (issuer_id, kid) where retired_at is null;

-- Whose identity a provider's subject is. The key makes a subject one user's for ever; a user may have several. A mail
-- address is no identity.
create table tenancy.identity (
  issuer text not null check (issuer <> ''),
  subject text not null check (length(subject) between 1 and 255),
  user_id uuid not null references tenancy.users,
  linked_by uuid not null references tenancy.users,
  linked_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  primary key (issuer, subject)
);
create index identity_user on tenancy.identity (user_id);

-- Tokens that were used, until none can be used any more: eleven minutes at most, since older ones are refused for
-- their age.
create table tenancy.used_token (
  sha256 bytea primary key,
  until timestamptz not null
);
create index used_token_until on tenancy.used_token (until);

-- Only the SHA-256 is kept. The secret has 256 random bits, so a slow hash would add nothing but time to every job's
-- start.
create table tenancy.service_secret (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references tenancy.users,
  sha256 bytea not null unique check (length(sha256) = 32),
  created_at timestamptz not null default clock_timestamp(),
  created_by uuid not null references tenancy.users,
  expires_at timestamptz not null,
  ended_at timestamptz
);
create index service_secret_user on tenancy.service_secret (user_id) where ended_at is null;
-- Suppression: for a time, what a rule finds about somebody at a clinic goes into the queue as suppressed, and is
-- counted. Two people and an end, always.
grant select (id, slug, kind) on tenancy.users to ward_rule;
grant select (id, slug, kind, region) on tenancy.tenant to ward_rule;
grant select (id, tenant_id, user_id, role, patient_id, started_at, ended_on, terminated_at) on tenancy.membership
  to ward_rule;
-- which role may do what, for the rule about those who did more
grant select on tenancy.permission, tenancy.phi_table to ward_worker;

-- Accounts of one person. Whoever is a party to an anomaly under one of them is one under all; a link ends, it is never
-- removed.
create table tenancy.account_link (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references tenancy.users,
  same_as uuid not null references tenancy.users check (same_as <> user_id),
  linked_by uuid not null references tenancy.users,
  linked_at timestamptz not null default clock_timestamp(),
  reason text not null check (reason <> ''),
  ended_by uuid references tenancy.users,
  ended_at timestamptz,
  end_reason text check ((ended_at is null) = (end_reason is null))
);
create index account_link_user on tenancy.account_link (user_id) where ended_at is null;
create index account_link_same on tenancy.account_link (same_as) where ended_at is null;

-- What was changed in place, as it was: who answered for an account and whether it was disabled, what service accounts
-- had declared, what a rule said. The event of the change is the one of the same transaction.
create table tenancy.user_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  xid xid8 not null default pg_current_xact_id(),
  user_id uuid not null,
  owner_id uuid,
  disabled_at timestamptz
);

create table tenancy.service_permission_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  xid xid8 not null default pg_current_xact_id(),
  user_id uuid not null,
  tenant_id uuid,
  action text not null,
  record_table text not null,
  from_hour int not null,
  to_hour int not null,
  removed boolean not null
);
create index user_log_user on tenancy.user_log (user_id, id);

-- What the rules know about care: ids and times, no content.
create table tenancy.relation (
  record_table text not null references tenancy.phi_table,
  kind text not null check (kind ~ '^[a-z][a-z_]{0,39}$'),
  user_column text not null,
  patient_column text not null,
  from_column text not null,
  to_column text,
  author_column text,  -- who wrote the row; without it, who the transaction's identity is
  void_column text,    -- a time since when the row means nothing (a cancellation)
  known_column text,   -- since when the system has known the row; without it, the time of the write
  primary key (record_table, kind)
);

create table tenancy.relationship (
  record_table text not null,
  record_id uuid not null,
  kind text not null,
  tenant_id uuid not null,
  user_id uuid not null,
  patient_id uuid not null,
  from_at timestamptz not null,
  to_at timestamptz,
  author_id uuid,
  void_at timestamptz,
  known_at timestamptz not null,
  primary key (record_id, record_table, kind, tenant_id)  -- the same id in two clinics is no conflict
);
-- by time too: what ties two people goes on growing for years, and rules ask about some days of it
create index relationship_pair on tenancy.relationship (tenant_id, patient_id, user_id, from_at);
create index relationship_encounter on tenancy.relationship (tenant_id, patient_id, from_at) where kind = 'encounter';
grant select on tenancy.relationship, tenancy.relation to ward_worker, ward_migrate;

-- Who stands in for whom, and when: a colleague's patients are then one's own. No patient is in it. A row is never
-- changed but to end it.
create table tenancy.coverage (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references tenancy.tenant,
  user_id uuid not null references tenancy.users,     -- who covers
  covered_id uuid not null references tenancy.users,  -- for whom
  from_at timestamptz not null,
  to_at timestamptz not null check (to_at > from_at and to_at <= from_at + interval '90 days'),
  author_id uuid references tenancy.users,
  void_at timestamptz,
  known_at timestamptz not null default clock_timestamp(),
  event_id bigint,
  constraint nobody_covers_themself check (user_id <> covered_id)
);
create index coverage_user on tenancy.coverage (tenant_id, user_id, from_at);
grant select on tenancy.coverage to ward_worker;
grant select on tenancy.relationship, tenancy.coverage to ward_rule;

reset role;
