-- What only a clinic can say, for the rules that need it.

-- name: DeclareInput :exec
select review.declare_input(sqlc.arg(input)::text, sqlc.arg(ready)::boolean, sqlc.arg(reason)::text);

-- name: SupplyInput :one
select review.supply_input(sqlc.arg(input)::text, sqlc.arg(tenant)::text, sqlc.arg(rows)::jsonb)::int;
