-- The sealer and the shipper, as ward_worker.

-- name: TakeSealLead :one
update audit.seal_state set epoch = epoch + 1 returning epoch;

-- name: SealState :one
select epoch, batch,
  coalesce(pg_snapshot_xmax(snapshot)::text, '0')::text as xmax,
  coalesce((select array_agg(x::text) from pg_snapshot_xip(snapshot) x), '{}')::text[] as xip,
  case when floor = '-infinity' then 'epoch' else floor end::timestamptz as floor
from audit.seal_state for update;

-- name: StrangeSnapshot :one
-- Whether the transactions that the state names are not those of this server: after a restore into another one, or
-- where its numbers were set back.
select (
  s.cluster is distinct from c.system_identifier::text
  or coalesce(pg_snapshot_xmax(s.snapshot) > pg_snapshot_xmax(pg_current_snapshot()), false)
)::bool as strange,
  (s.cluster is not null or s.snapshot is not null or exists (select from audit.chain))::bool as restored,
  coalesce(s.cluster, '')::text as before, c.system_identifier::text as now
from audit.seal_state s, pg_control_system() c;

-- name: SetCluster :exec
update audit.seal_state set cluster = (select system_identifier::text from pg_control_system());

-- name: RaiseFloor :exec
-- From now on nothing is sealed at an earlier time. It waits for a batch that is being sealed.
update audit.seal_state set floor = sqlc.arg(at)::timestamptz where floor < sqlc.arg(at)::timestamptz;

-- name: NewestSealing :one
-- When a batch was sealed.
select coalesce(max(sealed_at), 'epoch')::timestamptz from audit.chain where batch = sqlc.arg(batch);

-- name: SaveSealState :execrows
update audit.seal_state set snapshot = pg_current_snapshot(), batch = sqlc.arg(batch) where epoch = sqlc.arg(epoch);

-- name: UnsealedEvents :many
-- By bracket of snapshots, not by id or clock: what an earlier batch could not see is in this one, however long its
-- transaction took. What was restored from another server carries that one's transaction numbers: those still to come
-- here are no part of the bracket, and a number that comes a second time does not bring an event a second place.
select e.event_id, e.recorded_at, e.occurred_at, e.tenant_id, e.user_id, e.actor_kind, e.session_id, e.membership_id,
  e.disclosure_id, e.action, e.outcome, e.record_table, e.record_id, e.subject_id, e.purpose, e.detail, e.source
from audit.event e
where (
  e.xid >= sqlc.arg(xmax)::text::xid8 and e.xid < pg_snapshot_xmax(pg_current_snapshot())
  or e.xid = any (sqlc.arg(xip)::text[]::xid8[])
)
  and not exists (select from audit.chain c where c.event_id = e.event_id)
order by e.tenant_id, e.event_id;

-- name: EventsWithoutPlace :many
-- Every event that has no place, found by looking for each: once, where no bracket can be trusted.
select e.event_id, e.recorded_at, e.occurred_at, e.tenant_id, e.user_id, e.actor_kind, e.session_id, e.membership_id,
  e.disclosure_id, e.action, e.outcome, e.record_table, e.record_id, e.subject_id, e.purpose, e.detail, e.source
from audit.event e
where not exists (select from audit.chain c where c.event_id = e.event_id)
order by e.tenant_id, e.event_id;

-- name: ChainHead :one
select seq::bigint as seq, hash::bytea as hash, sealed_at::timestamptz as sealed_at
from audit.chain_head(sqlc.arg(tenant_id));

-- name: ChainHeads :many
select t.id as tenant_id, h.seq::bigint as seq, h.hash::bytea as hash
from tenancy.tenant t cross join lateral audit.chain_head(t.id) h
order by t.id;

-- name: ChainAt :many
-- What the database has of the places that are asked for: where a place is empty, nothing.
select c.tenant_id, c.seq, c.hash
from (select unnest(sqlc.arg(tenants)::uuid[]) as t, unnest(sqlc.arg(seqs)::bigint[]) as s) a
  cross join lateral (select c.tenant_id, c.seq, c.hash from audit.chain c where c.tenant_id = a.t and c.seq = a.s
    union all select r.tenant_id, r.seq, r.hash from audit.resume r where r.tenant_id = a.t and r.seq = a.s limit 1) c;

-- name: Resume :exec
insert into audit.resume (tenant_id, seq, hash, sealed_at, event_id)
values (sqlc.arg(tenant_id), sqlc.arg(seq), sqlc.arg(hash), sqlc.arg(sealed_at), sqlc.arg(event_id))
on conflict do nothing;

-- name: UnplacedEvents :many
-- Those of the events asked for that have no place.
select e.event_id, e.recorded_at, e.occurred_at, e.tenant_id, e.user_id, e.actor_kind, e.session_id, e.membership_id,
  e.disclosure_id, e.action, e.outcome, e.record_table, e.record_id, e.subject_id, e.purpose, e.detail, e.source
from audit.event e
where e.tenant_id = sqlc.arg(tenant_id)
  and e.recorded_at = any (sqlc.arg(times)::timestamptz[])
  and e.event_id = any (sqlc.arg(ids)::bigint[])
  and not exists (select from audit.chain c where c.event_id = e.event_id);

-- name: Replace :exec
-- Gives an event back the place that it has in the archive.
insert into audit.chain (tenant_id, seq, event_id, recorded_at, batch, sealed_at, nonce, hash)
values (
  sqlc.arg(tenant_id), sqlc.arg(seq), sqlc.arg(event_id), sqlc.arg(recorded_at), sqlc.arg(batch), sqlc.arg(sealed_at),
  sqlc.arg(nonce), sqlc.arg(hash)
);

-- name: MonthsToShip :many
-- The months of sealing that hold rows beyond what the archive's log has of this tenant.
select to_char(sealed_at at time zone 'UTC', 'YYYY-MM')::text as month,
  min(seq)::bigint as first_seq, max(seq)::bigint as last_seq, min(recorded_at)::timestamptz as recorded_from,
  max(recorded_at)::timestamptz as recorded_to
from audit.chain
where tenant_id = sqlc.arg(tenant_id) and seq > sqlc.arg(after)
group by 1 order by 1;

-- name: SealedRows :many
select c.tenant_id, c.seq, c.sealed_at, c.nonce, c.hash, e.event_id, e.recorded_at, e.occurred_at, e.user_id,
  e.actor_kind, e.session_id, e.membership_id, e.disclosure_id, e.action, e.outcome, e.record_table, e.record_id,
  e.subject_id, e.purpose, e.detail, e.source
from audit.chain c join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
where c.tenant_id = sqlc.arg(tenant_id) and c.seq between sqlc.arg(first_seq) and sqlc.arg(last_seq)
order by c.seq;

-- name: Classify :one
select audit.classify()::int;

-- name: ForgetAsks :one
select tenancy.forget_asks()::int;

-- name: Tick :one
select tenancy.tick()::float8;

-- name: EnsureMonths :one
select audit.ensure_months()::int;

-- name: WriteWorker :one
select audit.write_worker(sqlc.narg(tenant)::uuid, sqlc.arg(action)::text, sqlc.arg(detail)::text)::bigint;

-- name: RegionHere :one
select tenancy.region_here()::text;

-- name: Tenants :many
select id, slug, retain_years from tenancy.tenant order by id;

-- name: HoldsInForce :many
select tenant_id, month from audit.hold where lifted_at is null order by placed_at, id;

-- name: AdvanceBatch :execrows
update audit.seal_state set batch = sqlc.arg(batch) where epoch = sqlc.arg(epoch);
