-- The anomaly queue as a reviewer works it.

-- name: BrowseQueue :exec
select review.browse(sqlc.arg(ask)::uuid, sqlc.arg(filter)::jsonb);

-- name: QueuePage :many
select review.page()::jsonb;

-- name: OpenAnomaly :exec
select review.open(sqlc.arg(ask)::uuid, sqlc.arg(anomaly)::text);

-- name: AnomalyDetails :one
select review.details()::jsonb;

-- name: Claim :one
select review.claim(sqlc.arg(anomaly)::text, sqlc.arg(seen)::int)::jsonb;

-- name: Release :one
select review.release(sqlc.arg(anomaly)::text, sqlc.arg(seen)::int, sqlc.arg(reason)::text)::jsonb;

-- name: Assign :one
select review.assign(sqlc.arg(anomaly)::text, sqlc.arg(seen)::int, sqlc.arg(to_user)::text, sqlc.arg(reason)::text)::jsonb;

-- name: Note :one
select review.note(sqlc.arg(anomaly)::text, sqlc.arg(said)::text)::jsonb;

-- name: Wait :one
select review.wait(sqlc.arg(anomaly)::text, sqlc.arg(seen)::int, sqlc.arg(reason)::text)::jsonb;

-- name: Close :one
select review.close(sqlc.arg(anomaly)::text, sqlc.arg(seen)::int, sqlc.arg(disposition)::text, sqlc.arg(reason)::text)::jsonb;

-- name: Approve :one
select review.approve(sqlc.arg(anomaly)::text, sqlc.arg(seen)::int, sqlc.arg(accept)::boolean, sqlc.arg(reason)::text)::jsonb;

-- name: Escalate :one
select review.escalate(sqlc.arg(anomaly)::text, sqlc.arg(seen)::int, sqlc.arg(reason)::text)::jsonb;

-- name: Reopen :one
select review.reopen(sqlc.arg(anomaly)::text, sqlc.arg(seen)::int, sqlc.arg(reason)::text)::jsonb;

-- name: Request :one
select review.request(sqlc.arg(action)::text, sqlc.arg(detail)::jsonb)::bigint;

-- name: Requested :one
select coalesce(review.requested(sqlc.arg(event)::bigint), 'null')::jsonb;
