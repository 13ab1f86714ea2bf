-- The sealer and the shipper, as ward_worker.

-- name: TakeSealLead :one
update audit.seal_state set epoch = epoch + 1 returning epoch;

-- name: SealState :one
select epoch, batch, coalesce(pg_snapshot_xmax(snapshot)::text, '0')::text as xmax, coalesce((select array_agg(x::text) from pg_snapshot_xip(snapshot) x), '{}')::text[] as xip
from audit.seal_state for update;

-- name: NewestSealing :one
-- When a batch was sealed.
select coalesce(max(sealed_at), 'epoch')::timestamptz from audit.chain where batch = sqlc.arg(batch);

-- name: SaveSealState :execrows
update audit.seal_state set snapshot = pg_current_snapshot(), batch = sqlc.arg(batch) where epoch = sqlc.arg(epoch);

-- name: UnsealedEvents :many
-- By bracket of snapshots, not by id or clock: what an earlier batch could not see is in this one, however long its transaction took.
select e.event_id, e.recorded_at, e.occurred_at, e.tenant_id, e.user_id, e.actor_kind, e.session_id, e.membership_id, e.disclosure_id, e.action, e.outcome, e.record_table, e.record_id, e.subject_id, e.purpose, e.detail, e.source
from audit.event e
where e.xid >= sqlc.arg(xmax)::text::xid8 or e.xid = any (sqlc.arg(xip)::text[]::xid8[])
order by e.tenant_id, e.event_id;

-- name: ChainHead :one
select seq, hash, sealed_at from audit.chain where tenant_id = sqlc.arg(tenant_id) order by seq desc limit 1;

-- name: ChainHeads :many
select t.id as tenant_id, h.seq, h.hash from tenancy.tenant t cross join lateral (select c.seq, c.hash from audit.chain c where c.tenant_id = t.id order by c.seq desc limit 1) h order by t.id;

-- name: MonthsToShip :many
-- The months of sealing that hold rows beyond what the archive's log has of this tenant.
select to_char(sealed_at at time zone 'UTC', 'YYYY-MM')::text as month, min(seq)::bigint as first_seq, max(seq)::bigint as last_seq
from audit.chain where tenant_id = sqlc.arg(tenant_id) and seq > sqlc.arg(after) group by 1 order by 1;

-- name: SealedRows :many
select c.tenant_id, c.seq, c.sealed_at, c.nonce, c.hash, e.event_id, e.recorded_at, e.occurred_at, e.user_id, e.actor_kind, e.session_id, e.membership_id, e.disclosure_id, e.action, e.outcome,
  e.record_table, e.record_id, e.subject_id, e.purpose, e.detail, e.source
from audit.chain c join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
where c.tenant_id = sqlc.arg(tenant_id) and c.seq between sqlc.arg(first_seq) and sqlc.arg(last_seq)
order by c.seq;

-- name: Classify :one
select audit.classify()::int;

-- name: ForgetAsks :one
select audit.forget_asks()::int;

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
