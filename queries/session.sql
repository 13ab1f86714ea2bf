-- Signing in and the identity of a transaction. Secrets are bind parameters, always.

-- name: Begin :one
select coalesce(tenancy.begin(sqlc.arg(token)::text, sqlc.narg(disclosure)::uuid), '')::text;

-- name: SignIn :one
select to_jsonb(s)::jsonb from tenancy.sign_in(sqlc.arg(who)::text, sqlc.arg(password)::text, sqlc.narg(tenant)::text, sqlc.arg(audience)::text, sqlc.narg(code)::text) s;

-- name: Refresh :one
select to_jsonb(s)::jsonb from tenancy.refresh(sqlc.arg(token)::text) s;

-- name: SignOut :exec
select tenancy.sign_out();

-- name: Whoami :one
select tenancy.whoami()::jsonb;
