-- Alerts and their deliveries: the worker's side, then a reviewer's.

-- name: NameTargets :exec
select review.name_targets(sqlc.arg(targets)::jsonb);

-- name: TellClocks :one
select review.tell_clocks()::int;

-- name: TellDigest :one
-- The digest's id; no id: that day has one.
select coalesce(review.tell_digest(sqlc.arg(day)::text::date)::text, '')::text;

-- name: DueDeliveries :many
select review.due_deliveries(sqlc.arg(most)::int)::uuid;

-- name: DeliveryMessage :one
select coalesce(review.message(sqlc.arg(delivery)::uuid), 'null')::jsonb;

-- name: Delivered :one
select review.delivered(sqlc.arg(delivery)::uuid)::boolean;

-- name: Undelivered :exec
select review.undelivered(sqlc.arg(delivery)::uuid, sqlc.arg(why)::text, sqlc.arg(finally)::boolean);

-- name: DeliveryCounts :many
-- The deliveries that wait, and those that failed within a week.
select state, count(*)::bigint as deliveries, min(created_at)::timestamptz as oldest from review.delivery
where state = 'waiting' or (state = 'failed' and done_at > clock_timestamp() - interval '7 days') group by state;

-- name: BrowseAlerts :exec
select review.browse_alerts(sqlc.arg(ask)::uuid, sqlc.arg(max_rows)::int);

-- name: ListedAlerts :many
select review.alerts()::jsonb;

-- name: RetryAlert :one
select review.retry_alert(sqlc.arg(alert)::text)::int;

-- name: TestAlert :one
select review.test_alert(sqlc.arg(targets)::text[])::bigint;
