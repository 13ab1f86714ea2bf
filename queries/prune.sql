-- Pruning and reconciling, as ward_worker; asking for it and reading on in the archive, as ward_reviewer.

-- name: RequestPrune :one
select audit.request_prune(
  sqlc.arg(month)::text, sqlc.arg(reason)::text, sqlc.arg(dry_run)::boolean, sqlc.arg(unlocked_store)::boolean
)::bigint;

-- name: RequestLive :one
select audit.request_live()::bigint;

-- name: Answered :one
select coalesce(audit.answered(sqlc.arg(request)::bigint), 'null')::jsonb;

-- name: SaveAnswer :exec
insert into audit.answer (request, state, report)
values (sqlc.arg(request), sqlc.arg(state), sqlc.arg(report)) on conflict do nothing;

-- name: ArchiveLease :one
select audit.archive_lease()::jsonb;

-- name: ArchiveNames :one
select audit.archive_names(sqlc.arg(users)::uuid[], sqlc.arg(records)::uuid[])::jsonb;

-- name: MonthDigest :one
select d.rows::bigint as rows, d.unsealed::bigint as unsealed, d.newest_batch::bigint as newest_batch,
  d.digest::bytea as digest
from audit.month_digest((sqlc.arg(month)::text || '-01')::date) d;

-- name: MayPrune :exec
select audit.may_prune((sqlc.arg(month)::text || '-01')::date);

-- name: NotRead :one
select coalesce(review.not_read(sqlc.arg(batch)::bigint), '')::text;

-- name: PruneMonth :one
select review.prune_month(
  sqlc.arg(request)::bigint, sqlc.arg(expected_rows)::bigint, sqlc.arg(expected_digest)::bytea, sqlc.arg(parts)::text[],
  sqlc.arg(head_size)::bigint
)::bigint;

-- name: IsPruned :one
select exists (select from audit.pruned where month = (sqlc.arg(month)::text || '-01')::date)::boolean;

-- name: ChainTenants :many
-- Every tenant that the chain has, by the index's steps.
with recursive t(id) as (
  (select c.tenant_id from audit.chain c order by c.tenant_id limit 1) union all select (
    select c.tenant_id from audit.chain c where c.tenant_id > t.id order by c.tenant_id limit 1
  ) from t where t.id is not null
)
select t.id::uuid as id
from t
where t.id is not null
order by 1;

-- name: SpansOfMonth :many
-- Where in each tenant's chain the events of a month are.
select c.tenant_id, min(c.seq)::bigint as first_seq, max(c.seq)::bigint as last_seq
from audit.chain c
where c.recorded_at >= sqlc.arg(from_at)::timestamptz and c.recorded_at < sqlc.arg(to_at)::timestamptz
group by 1 order by 1;

-- name: LiveRows :many
-- A piece of a tenant's chain with the events as they are now. gone: there is none; pruned: as it should be. OFFSET 0
-- makes it a look-up for each row: a hash join would read the whole of audit.event for every piece.
select c.tenant_id as chain_tenant_id, c.seq, c.event_id as chain_event_id, c.recorded_at as chain_recorded_at,
  c.sealed_at, c.nonce, c.hash, (e.event_id is null)::boolean as gone,
  exists (
    select from audit.pruned p
    where c.recorded_at >= p.month::timestamp at time zone 'UTC'
      and c.recorded_at < (p.month + interval '1 month') at time zone 'UTC'
  )::boolean as pruned,
  coalesce(e.event_id, 0)::bigint as event_id,
  coalesce(e.recorded_at, 'epoch')::timestamptz as recorded_at,
  e.occurred_at, coalesce(e.tenant_id, c.tenant_id)::uuid as tenant_id, e.user_id,
  coalesce(e.actor_kind, '')::text as actor_kind, e.session_id, e.membership_id, e.disclosure_id,
  coalesce(e.action, '')::text as action, coalesce(e.outcome, '')::text as outcome, e.record_table, e.record_id,
  e.subject_id, e.purpose, e.detail, coalesce(e.source, '')::text as source
from audit.chain c
  left join lateral (
    select x.* from audit.event x where x.recorded_at = c.recorded_at and x.event_id = c.event_id offset 0
  ) e on true
where c.tenant_id = sqlc.arg(tenant_id) and c.seq between sqlc.arg(first_seq) and sqlc.arg(last_seq)
  and c.recorded_at >= sqlc.arg(from_at)::timestamptz and c.recorded_at < sqlc.arg(to_at)::timestamptz
order by c.seq;

-- name: StrayEvents :many
-- Events without their place in the chain. pending: the sealer's next batch takes them; seq: the chain has this id, at
-- another time.
select e.tenant_id, e.event_id, e.recorded_at,
  (s.snapshot is null or not pg_visible_in_snapshot(e.xid, s.snapshot))::boolean as pending,
  coalesce(x.seq, 0)::bigint as seq, coalesce(x.tenant_id, e.tenant_id)::uuid as chain_tenant_id,
  (
    x.seq is not null
    and exists (select from audit.event o where o.recorded_at = x.recorded_at and o.event_id = x.event_id)
  )::boolean as original
from audit.event e cross join audit.seal_state s left join audit.chain x on x.event_id = e.event_id
where not exists (select from audit.chain c where c.event_id = e.event_id and c.recorded_at = e.recorded_at)
order by e.recorded_at, e.event_id limit sqlc.arg(most);

-- name: FirstRowAfter :many
select seq, event_id
from audit.chain
where tenant_id = sqlc.arg(tenant_id) and seq > sqlc.arg(after)
order by seq limit 1;

-- name: PrunedBy :many
-- What a request has led to.
select rows, parts, event_id from audit.pruned where request = sqlc.arg(request);
