-- Tenants, users, memberships and grants.

-- name: InitInstallation :one
select tenancy.init(sqlc.arg(region)::text, sqlc.arg(slug)::text, sqlc.arg(name)::text, sqlc.arg(password)::text)::uuid;

-- name: AddTenant :one
select tenancy.add_tenant(sqlc.arg(slug)::text, sqlc.arg(name)::text)::uuid;

-- name: AddUser :one
select tenancy.add_user(
  sqlc.arg(slug)::text, sqlc.arg(name)::text, sqlc.arg(kind)::text, sqlc.narg(owner)::text, sqlc.narg(password)::text
)::uuid;

-- name: AddMember :one
select tenancy.add_member(
  sqlc.arg(tenant)::text, sqlc.arg(who)::text, sqlc.arg(role)::text, sqlc.narg(patient)::uuid
)::uuid;

-- name: AddGrant :one
select tenancy.add_grant(
  sqlc.arg(who)::text, sqlc.arg(role)::text, sqlc.narg(tenant)::text, sqlc.arg(reason)::text, sqlc.narg(ticket)::text,
  sqlc.narg(hours)::float8::numeric
)::uuid;

-- name: EndGrant :one
select tenancy.end_grant(sqlc.arg(grant_id)::text, sqlc.arg(reason)::text)::uuid;

-- name: Terminate :one
select tenancy.terminate(
  sqlc.arg(membership)::text, sqlc.arg(typed)::text, sqlc.arg(reason)::text, sqlc.narg(ended_on)::date
)::jsonb;

-- name: ChangeRole :one
select tenancy.change_role(sqlc.arg(membership)::text, sqlc.arg(role)::text, sqlc.arg(reason)::text)::jsonb;

-- name: DisableUser :one
select tenancy.disable_user(sqlc.arg(who)::text, sqlc.arg(reason)::text)::jsonb;

-- name: EnableUser :one
select tenancy.enable_user(sqlc.arg(who)::text, sqlc.arg(reason)::text)::uuid;

-- name: AddRole :exec
select tenancy.add_role(sqlc.arg(name)::text, sqlc.arg(note)::text);

-- name: AllowRole :exec
select tenancy.allow_role(
  sqlc.arg(role)::text, sqlc.arg(record_table)::text, sqlc.arg(actions)::text[], sqlc.arg(allowed)::boolean
);

-- name: AddOnCall :one
select tenancy.add_on_call(sqlc.arg(who)::text, sqlc.narg(tenant)::text, sqlc.arg(reason)::text)::uuid;

-- name: RemoveOnCall :one
select tenancy.remove_on_call(sqlc.arg(who)::text, sqlc.narg(tenant)::text, sqlc.arg(reason)::text)::int;

-- name: TakeOnCall :one
select tenancy.take_on_call(
  sqlc.arg(tenant)::text, sqlc.arg(reason)::text, sqlc.arg(ticket)::text, sqlc.arg(hours)::float8::numeric
)::jsonb;

-- name: EndOnCall :one
select tenancy.end_on_call(sqlc.arg(reason)::text)::int;

-- name: NewServiceSecret :one
select tenancy.new_service_secret(
  sqlc.arg(who)::text, sqlc.arg(days)::int, sqlc.arg(overlap_seconds)::float8 * interval '1 second'
)::jsonb;

-- name: DeclareService :exec
select tenancy.declare_service(
  sqlc.arg(who)::text, sqlc.arg(action)::text, sqlc.arg(record_table)::text, sqlc.narg(tenant)::text,
  sqlc.arg(from_hour)::int, sqlc.arg(to_hour)::int
);

-- name: UndeclareService :one
select tenancy.undeclare_service(
  sqlc.arg(who)::text, sqlc.arg(action)::text, sqlc.arg(record_table)::text, sqlc.narg(tenant)::text
)::int;

-- name: OwnService :exec
select tenancy.own_service(sqlc.arg(who)::text, sqlc.arg(owner)::text);

-- name: Browse :exec
select tenancy.browse(sqlc.arg(ask)::uuid, sqlc.arg(what)::text, sqlc.narg(arg)::text);

-- name: ListTenants :many
select review.list_tenants()::jsonb;

-- name: ListUsers :many
select tenancy.list_users()::jsonb;

-- name: ShowUser :many
select tenancy.show_user()::jsonb;

-- name: ListMembers :many
select tenancy.list_members()::jsonb;

-- name: ShowMember :many
select review.show_member()::jsonb;

-- name: ListGrants :many
select tenancy.list_grants()::jsonb;

-- name: ListOnCall :many
select tenancy.list_on_call()::jsonb;

-- name: ListRoles :many
select tenancy.list_roles()::jsonb;

-- name: ListServices :many
select tenancy.list_services()::jsonb;

-- name: ListSessions :many
select tenancy.list_sessions()::jsonb;

-- name: ListKeys :many
select tenancy.list_keys()::jsonb;

-- name: ListApplications :many
select tenancy.list_applications()::jsonb;

-- name: Protect :exec
select tenancy.protect(sqlc.arg(record_table)::text::regclass, sqlc.narg(subject)::text, sqlc.arg(open)::text[]);

-- name: Unprotect :one
select tenancy.unprotect(sqlc.arg(record_table)::text::regclass, sqlc.arg(reason)::text)::bigint;

-- name: Permit :exec
select tenancy.permit(sqlc.arg(role)::text, sqlc.arg(record_table)::text::regclass, sqlc.arg(actions)::text[]);

-- name: SetRetention :exec
select tenancy.set_retention(sqlc.arg(tenant)::text, sqlc.arg(years)::int, sqlc.arg(reason)::text);

-- name: PlaceHold :one
select audit.place_hold(sqlc.narg(tenant)::text, sqlc.narg(month)::text, sqlc.arg(reason)::text)::uuid;

-- name: LiftHold :one
select audit.lift_hold(sqlc.arg(hold)::text, sqlc.arg(reason)::text)::uuid;

-- name: BrowseAuditList :exec
select audit.browse(sqlc.arg(ask)::uuid, sqlc.arg(what)::text, sqlc.narg(arg)::text);

-- name: ListHolds :many
select audit.list_holds()::jsonb;

-- name: ListVerifications :many
select audit.list_verifications()::jsonb;
