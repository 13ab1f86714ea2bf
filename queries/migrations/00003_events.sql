-- The audit log in the database: partitioned by month, append-only on the parent and on every child, written by definer functions only.

-- +goose Up
set local role ward_owner;

-- Domains and not CHECKs of the table: a server parses every CHECK of a table anew for each statement that writes to it, and a domain's once in a session. As
-- CHECKs these five were three quarters of what an insert cost.
create domain audit.actor as text constraint actor_check check (value in ('human', 'service', 'unknown'));
-- the closed list: the first five on PHI, the rest on everything else
create domain audit.action as text constraint action_check check (value in ('view', 'create', 'modify', 'delete', 'export',
  'sign_in', 'sign_out', 'refresh', 'refuse', 'search', 'open', 'browse', 'terminate', 'grant', 'revoke', 'claim', 'assign', 'note', 'close', 'approve',
  'reopen', 'escalate', 'suppress', 'rule_run', 'verify', 'prove', 'seal_recover', 'ship', 'prune', 'tokenize', 'resolve', 'import', 'backfill', 'configure'));
create domain audit.outcome as text constraint outcome_check check (value in ('ok', 'denied'));
create domain audit.purpose as text constraint purpose_check check (value in ('treatment', 'payment', 'operations', 'break_glass', 'patient_request', 'research', 'audit', 'system'));
create domain audit.source as text constraint source_check check (value in ('ward', 'import', 'simulation'));

create table audit.event (
  event_id      bigint generated always as identity,
  recorded_at   timestamptz not null default clock_timestamp(),  -- the database's clock
  occurred_at   timestamptz,                                     -- another system's, for imported history
  xid           xid8 not null default pg_current_xact_id(),      -- the sealer's batches are brackets of snapshots over it
  tenant_id     uuid not null,
  user_id       uuid,
  actor_kind    audit.actor not null,
  session_id    uuid,
  membership_id uuid,
  disclosure_id uuid,
  action        audit.action not null,
  outcome       audit.outcome not null default 'ok',
  record_table  text,
  record_id     uuid,
  subject_id    uuid,
  purpose       audit.purpose,
  detail        text,                                            -- exact JSON text, never PHI
  source        audit.source not null default 'ward',
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

-- +goose StatementBegin
create function audit.append_only() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% of %.% is refused: history is append-only', tg_op, tg_table_schema, tg_table_name using errcode = '42501';
end $$;
-- +goose StatementEnd
create trigger append_only before update or delete on audit.event for each row execute function audit.append_only();
-- The statement trigger speaks up where row security hides every row and the row trigger would never fire. Always: also for a session that says it
-- is a replica.
create trigger append_only_truncate before update or delete or truncate on audit.event for each statement execute function audit.append_only();
alter table audit.event enable always trigger append_only;
alter table audit.event enable always trigger append_only_truncate;

-- A month is its own row-security object: forced, without a policy, so that it is reachable through the parent alone; statement triggers
-- are not cloned from the parent, so the child gets its own.
-- +goose StatementBegin
create function audit.ensure_month(month date) returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  first date := date_trunc('month', month)::date;
  child text := 'event_' || to_char(first, 'YYYY_MM');
begin
  perform pg_advisory_xact_lock(hashtext('ward audit months'));
  if to_regclass('audit.' || child) is not null then return false; end if;
  execute format('create table audit.%I partition of audit.event for values from (%L) to (%L)', child,
    first::timestamp at time zone 'UTC', (first + interval '1 month') at time zone 'UTC');
  execute format('alter table audit.%I enable row level security', child);
  execute format('alter table audit.%I force row level security', child);
  execute format('revoke all on audit.%I from public, ward_app, ward_worker, ward_reviewer, ward_reader, ward_keys', child);
  execute format('create trigger append_only_truncate before update or delete or truncate on audit.%I for each statement execute function audit.append_only()', child);
  execute format('alter table audit.%I enable always trigger append_only_truncate', child);
  return true;
end $$;
-- Months from the current one to three ahead, so that an insert always has a partition.
create function audit.ensure_months(ahead int default 3) returns int language sql security definer set search_path = pg_catalog, pg_temp as $$
  select count(*)::int from generate_series(0, greatest(ahead, 3)) n where audit.ensure_month(((clock_timestamp() at time zone 'UTC') + n * interval '1 month')::date)
$$;
-- +goose StatementEnd
revoke execute on function audit.ensure_month, audit.ensure_months from public;
grant execute on function audit.ensure_months to ward_worker, ward_migrate;
select audit.ensure_months();
reset role;
