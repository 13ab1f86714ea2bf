-- Tenants, users, memberships and grants.

-- name: InitInstallation :one
select tenancy.init(sqlc.arg(region)::text, sqlc.arg(slug)::text, sqlc.arg(name)::text, sqlc.arg(password)::text)::uuid;

-- name: AddTenant :one
select tenancy.add_tenant(sqlc.arg(slug)::text, sqlc.arg(name)::text)::uuid;

-- name: AddUser :one
select tenancy.add_user(sqlc.arg(slug)::text, sqlc.arg(name)::text, sqlc.arg(kind)::text, sqlc.narg(owner)::text, sqlc.narg(password)::text)::uuid;

-- name: AddMember :one
select tenancy.add_member(sqlc.arg(tenant)::text, sqlc.arg(who)::text, sqlc.arg(role)::text)::uuid;

-- name: AddGrant :one
select tenancy.add_grant(sqlc.arg(who)::text, sqlc.arg(role)::text, sqlc.narg(tenant)::text, sqlc.arg(reason)::text, sqlc.narg(ticket)::text, sqlc.narg(hours)::float8::numeric)::uuid;

-- name: EndGrant :one
select tenancy.end_grant(sqlc.arg(grant_id)::text, sqlc.arg(reason)::text)::uuid;

-- name: Terminate :one
select tenancy.terminate(sqlc.arg(membership)::text, sqlc.arg(typed)::text, sqlc.arg(reason)::text, sqlc.narg(ended_on)::date)::jsonb;

-- name: Browse :exec
select tenancy.browse(sqlc.arg(ask)::uuid, sqlc.arg(what)::text, sqlc.narg(arg)::text);

-- name: Listing :many
select tenancy.listing(sqlc.arg(what)::text)::jsonb;

-- name: Protect :exec
select tenancy.protect(sqlc.arg(record_table)::text::regclass, sqlc.narg(subject)::text, sqlc.arg(open)::text[]);

-- name: Permit :exec
select tenancy.permit(sqlc.arg(role)::text, sqlc.arg(record_table)::text::regclass, sqlc.arg(actions)::text[]);

-- name: SetRetention :exec
select tenancy.set_retention(sqlc.arg(tenant)::text, sqlc.arg(years)::int, sqlc.arg(reason)::text);

-- name: PlaceHold :one
select audit.place_hold(sqlc.narg(tenant)::text, sqlc.narg(month)::text, sqlc.arg(reason)::text)::uuid;

-- name: LiftHold :one
select audit.lift_hold(sqlc.arg(hold)::text, sqlc.arg(reason)::text)::uuid;
