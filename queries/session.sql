-- Signing in and the identity of a transaction. Secrets are bind parameters, always.

-- name: Begin :one
select coalesce(tenancy.begin(sqlc.arg(token)::text, sqlc.narg(disclosure)::uuid), '')::text;

-- name: SignIn :one
select tenancy.sign_in(
  sqlc.arg(who)::text, sqlc.arg(password)::text, sqlc.narg(tenant)::text, sqlc.arg(audience)::text,
  sqlc.narg(code)::text, sqlc.narg(role)::text, sqlc.narg(source)::text
)::text;

-- name: SignedIn :one
select to_jsonb(s)::jsonb from tenancy.signed_in(sqlc.arg(ticket)::text) s;

-- name: SignInService :one
select to_jsonb(s)::jsonb
from tenancy.sign_in_service(
  sqlc.arg(who)::text, sqlc.arg(secret)::text, sqlc.arg(tenant)::text, sqlc.arg(audience)::text
) s;

-- name: Refresh :one
select to_jsonb(s)::jsonb from tenancy.refresh(sqlc.arg(token)::text) s;

-- name: SignOut :exec
select tenancy.sign_out();

-- name: SignOutEverywhere :one
select tenancy.sign_out_everywhere()::int;

-- name: RevokeSessions :one
select tenancy.revoke_sessions(sqlc.narg(session)::text, sqlc.narg(of_user)::text, sqlc.arg(reason)::text)::jsonb;

-- name: RotateSigningKey :one
select tenancy.rotate_signing_key(sqlc.arg(at_once)::boolean)::jsonb;

-- name: AddApplication :one
select tenancy.add_application(sqlc.arg(aud)::text, sqlc.arg(login_role)::text, sqlc.arg(note)::text)::text;

-- name: Whoami :one
select tenancy.whoami()::jsonb;
