-- A tenant's events, as a reviewer sees them.

-- name: OpenEvents :exec
select audit.open(
  sqlc.arg(ask)::uuid, sqlc.arg(tenant)::text, sqlc.arg(reason)::text, sqlc.arg(filter)::jsonb, sqlc.narg(ticket)::text
);

-- name: SearchEvents :exec
select audit.search(sqlc.arg(ask)::uuid, sqlc.arg(filter)::jsonb);

-- name: Events :many
select to_jsonb(e)::jsonb
from audit.events(
  sqlc.arg(older)::boolean, sqlc.narg(pos_at)::timestamptz, sqlc.narg(pos_id)::bigint, sqlc.arg(max_rows)::int
) e;

-- name: OpenUserEvents :exec
select audit.open_user(
  sqlc.arg(ask)::uuid, sqlc.arg(who)::text, sqlc.arg(reason)::text, sqlc.arg(filter)::jsonb, sqlc.narg(ticket)::text
);

-- name: UserEvents :many
select audit.user_events(sqlc.narg(pos_at)::timestamptz, sqlc.narg(pos_id)::bigint, sqlc.arg(max_rows)::int)::jsonb;

-- name: VerifyBegin :exec
select audit.verify_begin(
  sqlc.arg(verification)::uuid, sqlc.arg(store)::text, sqlc.narg(region)::text, sqlc.narg(tenant)::uuid,
  sqlc.arg(months)::text[]
);

-- name: VerifyEnd :exec
select audit.verify_end(
  sqlc.arg(verification)::uuid, sqlc.arg(verdict)::text, sqlc.arg(head_size)::bigint, sqlc.arg(breaks)::int,
  sqlc.arg(worse)::jsonb
);

-- name: Prove :exec
select audit.prove(sqlc.arg(ask)::uuid, sqlc.arg(event)::bigint, sqlc.narg(tenant)::text);

-- name: Proving :one
select p.tenant_id::uuid as tenant_id, p.seq::bigint as seq from audit.proving() p;

-- name: ExamineStore :exec
select audit.examine_store(sqlc.arg(store)::text, sqlc.narg(found)::jsonb);
