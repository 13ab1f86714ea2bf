-- Ask, commit, then look.

-- name: Disclose :exec
select audit.disclose(sqlc.arg(disclosure)::uuid, sqlc.arg(record_table)::text::regclass, sqlc.arg(ids)::uuid[], sqlc.arg(purpose)::text);

-- name: Export :exec
select audit.export(sqlc.arg(disclosure)::uuid, sqlc.arg(record_table)::text::regclass, sqlc.arg(ids)::uuid[], sqlc.arg(purpose)::text);

-- name: Find :exec
select audit.find(sqlc.arg(disclosure)::uuid, sqlc.arg(record_table)::text::regclass, sqlc.arg(filter)::jsonb, sqlc.arg(ordering)::text, sqlc.arg(max_rows)::int, sqlc.arg(purpose)::text);

-- name: Evaluate :exec
select audit.evaluate(sqlc.arg(record_table)::text::regclass, sqlc.arg(filter)::jsonb, sqlc.arg(ordering)::text, sqlc.arg(max_rows)::int);
