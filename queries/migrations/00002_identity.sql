-- Regions, tenants, users, memberships, sessions and keys; the roles and what they may do. None of it is PHI, and ward_app reads none of it
-- directly: everything goes through the functions of 00003.

-- +goose Up
set local role ward_owner;

create table tenancy.region (
  name       text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  created_at timestamptz not null default clock_timestamp()
);
-- The region that this database serves. A token of another region is refused by tenancy.begin.
create table tenancy.instance (
  one     boolean primary key default true check (one),
  region  text not null references tenancy.region,
  -- the newest time that the server's clock has shown, as the worker notes it every second (tenancy.tick): a clock that is behind it has been set back
  seen_at timestamptz not null default '-infinity'
);

create table tenancy.tenant (
  id         uuid primary key default gen_random_uuid(),
  slug       text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  name       text not null check (name <> ''),
  region     text not null references tenancy.region,
  -- 'installation' is the tenant of events that belong to no clinic: one in each region
  kind       text not null default 'clinic' check (kind in ('clinic', 'installation')),
  created_at timestamptz not null default clock_timestamp()
);
create unique index tenant_installation on tenancy.tenant (region) where kind = 'installation';

-- One row per human or service account for life (45 CFR 164.312(a)(2)(i)); never deleted, never given to somebody else.
create table tenancy.users (
  id            uuid primary key default gen_random_uuid(),
  slug          text not null unique check (slug ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
  name          text not null check (name <> ''),
  kind          text not null check (kind in ('human', 'service')),
  owner_id      uuid references tenancy.users check (kind = 'human' or owner_id is not null or slug = 'ward-worker'),
  password_hash text,
  disabled_at   timestamptz,
  -- sessions that began before are over: for an end that must not wait for whoever holds a session's row (tenancy.end_sessions)
  sessions_after timestamptz,
  created_at    timestamptz not null default clock_timestamp()
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
  id            uuid primary key default gen_random_uuid(),
  tenant_id     uuid not null references tenancy.tenant,
  user_id       uuid not null references tenancy.users,
  role          text not null references tenancy.role,
  started_at    timestamptz not null default clock_timestamp(),
  ended_on      date,          -- what HR says; may be earlier than terminated_at
  terminated_at timestamptz,   -- the database's; from then on every transaction under this membership is refused
  terminated_by uuid references tenancy.users,
  reason        text,
  patient_id    uuid,          -- the one whose records a portal identity reaches; a parent of two has two memberships
  check (terminated_at is null or (reason is not null and reason <> '')),
  check ((role = 'patient') = (patient_id is not null))
);
create unique index membership_live on tenancy.membership (tenant_id, user_id, role, patient_id) nulls not distinct where terminated_at is null;
create index membership_user on tenancy.membership (user_id);

-- +goose StatementBegin
create function tenancy.no_delete() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% of %.% is refused: rows here are ended, never removed', tg_op, tg_table_schema, tg_table_name using errcode = '42501';
end $$;
-- +goose StatementEnd
create trigger no_delete before delete on tenancy.users for each row execute function tenancy.no_delete();
create trigger no_delete before delete on tenancy.membership for each row execute function tenancy.no_delete();
create trigger no_delete before delete on tenancy.tenant for each row execute function tenancy.no_delete();
create trigger no_truncate before truncate on tenancy.membership for each statement execute function tenancy.no_delete();
create trigger no_truncate before truncate on tenancy.users for each statement execute function tenancy.no_delete();

-- A terminated membership stays as it is: undoing it is a new membership.
-- +goose StatementBegin
create function tenancy.membership_guard() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if old.terminated_at is not null or (new.id, new.tenant_id, new.user_id, new.role, new.started_at, new.patient_id) is distinct from (old.id, old.tenant_id, old.user_id, old.role, old.started_at, old.patient_id) then
    raise exception 'membership % cannot be changed: end it and add another', old.id using errcode = '42501';
  end if;
  return new;
end $$;
-- +goose StatementEnd
create trigger membership_guard before update on tenancy.membership for each row execute function tenancy.membership_guard();

-- What a service account has declared that it does. Anything else that it does is a finding (rule A05), not an error.
create table tenancy.service_permission (
  user_id      uuid not null references tenancy.users,
  tenant_id    uuid references tenancy.tenant,      -- null: every tenant
  action       text not null,
  record_table text not null,
  from_hour    int not null default 0 check (from_hour between 0 and 23),   -- UTC, inclusive
  to_hour      int not null default 24 check (to_hour between 1 and 24),    -- UTC, exclusive
  check (from_hour < to_hour),
  constraint service_declared unique nulls not distinct (user_id, tenant_id, action, record_table, from_hour)
);

-- role x table x action: what a membership may ask for at all
create table tenancy.permission (
  role         text not null references tenancy.role,
  record_table text not null,
  action       text not null check (action in ('view', 'create', 'modify', 'delete', 'export')),
  primary key (role, record_table, action)
);

-- Several applications share one database, each with its own audience and its own login. A token of one is refused from the login of another
-- (tenancy.audience_allowed).
create table tenancy.application (
  aud        text primary key check (aud ~ '^[a-z][a-z0-9_-]{0,39}$'),
  login_role text not null,
  note       text not null,
  created_at timestamptz not null default clock_timestamp()
);
insert into tenancy.application (aud, login_role, note) values ('app', 'ward_app', 'the application'), ('review', 'ward_reviewer', 'terminal and command line');

create table tenancy.session (
  session_id    uuid primary key default gen_random_uuid(),
  user_id       uuid not null references tenancy.users,
  tenant_id     uuid references tenancy.tenant,         -- null: a reviewer's
  membership_id uuid references tenancy.membership,
  aud           text not null references tenancy.application,
  login_role    text not null,                          -- the application's
  method        text not null default 'password' check (method in ('password', 'oidc', 'secret')),
  second_factor boolean not null default false,         -- one was demanded and given
  -- the jti of the access tokens that committed transactions issued, newest last, at most 32: what a refresh that was rolled back has minted is none of them
  issued        uuid[] not null default '{}' check (cardinality(issued) <= 32),
  created_at    timestamptz not null default clock_timestamp(),
  expires_at    timestamptz not null,
  revoked_at    timestamptz,
  revoke_reason text,
  check ((tenant_id is null) = (membership_id is null)),
  check ((aud = 'review') = (tenant_id is null))
);
-- tenancy.begin does not look up again what cannot change: the login of a session's application, and the region of its clinic, which was this one when it was opened and at each
-- refresh. Another login is another application, a clinic that moves is another clinic.
-- +goose StatementBegin
create function tenancy.fixed() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'the % of a row of %.% stays as it is', tg_argv[0], tg_table_schema, tg_table_name using errcode = '42501';
end $$;
create function tenancy.login_of_session() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.login_role := (select a.login_role from tenancy.application a where a.aud = new.aud);
  return new;
end $$;
-- +goose StatementEnd
create trigger fixed before update on tenancy.application for each row when ((old.aud, old.login_role) is distinct from (new.aud, new.login_role)) execute function tenancy.fixed('login');
create trigger fixed before update on tenancy.tenant for each row when (old.region is distinct from new.region) execute function tenancy.fixed('region');
create trigger login_role before insert or update of aud, login_role on tenancy.session for each row execute function tenancy.login_of_session();
create index session_of_user on tenancy.session (user_id);
create index session_membership on tenancy.session (membership_id) where revoked_at is null;

-- Only the SHA-256 of a refresh token is kept: the current one of a session, and those used so shortly ago that they may come once more. An older one is
-- known by its own MAC.
create table tenancy.refresh_token (
  sha256     bytea primary key,
  session_id uuid not null references tenancy.session,
  issued_at  timestamptz not null default clock_timestamp(),
  used_at    timestamptz
);
create index refresh_token_session on tenancy.refresh_token (session_id);
create index refresh_token_age on tenancy.refresh_token (issued_at);

-- Who may review what, and until when. The reach is here and nowhere else: a reviewer's token names no tenant.
create table tenancy.reviewer_grant (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null references tenancy.users,
  role       text not null check (role in ('administrator', 'compliance_officer', 'auditor', 'on_call_engineer')),
  tenant_id  uuid references tenancy.tenant,           -- null: every tenant
  granted_by uuid references tenancy.users,
  reason     text not null check (reason <> ''),
  ticket     text,
  starts_at  timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  ended_at   timestamptz,
  -- an engineer reaches one clinic, for at most four hours, with a ticket
  check (role <> 'on_call_engineer' or (tenant_id is not null and ticket is not null and ticket <> '' and expires_at is not null and expires_at <= starts_at + interval '4 hours'))
);
create index reviewer_grant_user on tenancy.reviewer_grant (user_id) where ended_at is null;

-- Who may take an on-call grant by themself, and for which clinic. Standing here opens nothing: the person can sign in as a reviewer and take one.
create table tenancy.on_call (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null references tenancy.users,
  tenant_id  uuid references tenancy.tenant,           -- null: any clinic, one at a time
  added_at   timestamptz not null default clock_timestamp(),
  added_by   uuid not null references tenancy.users,
  reason     text not null check (reason <> ''),
  removed_at timestamptz
);
create unique index on_call_standing on tenancy.on_call (user_id, tenant_id) nulls not distinct where removed_at is null;

-- reviewer's role x action; docs/SECURITY.md shows it as a table and a test holds the two together
create table tenancy.reviewer_action (
  role   text not null,
  action text not null,
  primary key (role, action)
);
insert into tenancy.reviewer_action
select role, unnest(actions) from (values
  ('administrator', array['browse', 'configure', 'grant', 'terminate', 'revoke', 'seal_recover']),
  ('compliance_officer', array['browse', 'open', 'search', 'export', 'claim', 'assign', 'note', 'close', 'approve', 'reopen', 'escalate', 'terminate', 'rule_run', 'verify', 'ship']),
  ('auditor', array['browse', 'open', 'search', 'export', 'verify']),
  ('on_call_engineer', array['browse', 'open', 'search'])
) as v(role, actions);

-- Lengths of time that an installation may shorten. Nothing here can be longer than the check allows.
create table tenancy.setting (
  one              boolean primary key default true check (one),
  access_token     interval not null default '10 minutes' check (access_token between interval '1 second' and interval '10 minutes'),
  identity         interval not null default '60 seconds' check (identity between interval '100 milliseconds' and interval '60 seconds'),
  disclosure_lease interval not null default '30 seconds' check (disclosure_lease between interval '100 milliseconds' and interval '5 minutes'),
  review_lease     interval not null default '15 minutes' check (review_lease between interval '100 milliseconds' and interval '15 minutes'),
  -- how long after its use a refresh token may come again: at all (several tabs at once), and while its successor has not been used (the answer was lost)
  refresh_grace    interval not null default '10 seconds' check (refresh_grace between interval '0' and interval '60 seconds'),
  refresh_parent   interval not null default '60 seconds' check (refresh_parent between interval '0' and interval '5 minutes'),
  session          interval not null default '12 hours' check (session between interval '1 minute' and interval '24 hours')
);
insert into tenancy.setting default values;

-- Every protected table, and what protect() was told about it.
create table tenancy.phi_table (
  record_table   text primary key,           -- schema-qualified
  subject_column text,                       -- the column that names the patient; 'id' for the patients themselves
  open_columns   text[] not null default '{}',
  oracles        text[] not null default '{}', -- unique and exclusion constraints accepted although a violation tells that a value exists
  protected_at   timestamptz not null default clock_timestamp()
);

-- Which record belongs to which tenant and patient: random ids only, kept by the write trigger, so that the worker can tell whose an asked
-- id was without reading any PHI table. The tenant is in the key: the same id in two clinics is no conflict, hence tells nothing.
create table tenancy.record (
  record_table text not null,
  record_id    uuid not null,
  tenant_id    uuid not null,
  subject_id   uuid,
  created_at   timestamptz not null default clock_timestamp(),
  deleted_at   timestamptz,
  primary key (record_id, record_table, tenant_id)
);

reset role;
set local role ward_keys;
-- The newest key without retire_at signs; one with retire_at verifies until then; a retired one has lost its secret.
create table tenancy.signing_key (
  kid        text primary key,
  head       text not null unique,   -- of its tokens, as it stands in them: whatever says something else names no key of ours, so that there is no algorithm to choose
  secret     bytea check (length(secret) >= 32),
  created_at timestamptz not null default clock_timestamp(),
  retire_at  timestamptz,
  retired_at timestamptz,
  check (secret is not null or retired_at is not null)
);
grant select (kid, created_at, retire_at, retired_at) on tenancy.signing_key to ward_owner;
create table tenancy.mac_key (one boolean primary key default true check (one), secret bytea not null check (length(secret) >= 32));
insert into tenancy.mac_key (secret) values (public.gen_random_bytes(32));
-- without a policy: their owner reads them, a member of pg_read_all_data does not
alter table tenancy.signing_key enable row level security;
alter table tenancy.mac_key enable row level security;
create policy listed on tenancy.signing_key for select to ward_owner using (true); -- the columns that it was granted: no secrets
reset role;
set local role ward_owner;
-- tenancy.begin needs these besides the keys
grant select (session_id, user_id, tenant_id, membership_id, aud, login_role, issued, created_at, expires_at, revoked_at) on tenancy.session to ward_keys;
grant select (id, disabled_at, sessions_after) on tenancy.users to ward_keys;
grant select (id, terminated_at) on tenancy.membership to ward_keys;
grant select on tenancy.instance, tenancy.setting to ward_keys;
grant select on tenancy.tenant, tenancy.users, tenancy.membership, tenancy.record, tenancy.phi_table, tenancy.service_permission, tenancy.region, tenancy.instance to ward_worker;
revoke select on tenancy.users from ward_worker;
grant select (id, slug, name, kind, owner_id, disabled_at, created_at) on tenancy.users to ward_worker;
grant select on tenancy.phi_table to ward_reader, ward_app, ward_reviewer;
reset role;
