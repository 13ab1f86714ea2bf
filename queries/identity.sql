-- Signing in by an identity provider, and the second factor. Secrets are bind parameters, always.

-- name: SignInOIDC :one
select to_jsonb(s)::jsonb
from tenancy.sign_in_oidc(
  sqlc.arg(id_token)::text, sqlc.narg(tenant)::text, sqlc.narg(role)::text, sqlc.arg(audience)::text,
  sqlc.narg(code)::text
) s;

-- name: Issuers :many
select i.issuer::text as issuer, i.client_id::text as client_id from tenancy.issuers() i;

-- name: AddIssuer :one
select tenancy.add_issuer(
  sqlc.arg(issuer)::text, sqlc.arg(client_id)::text, sqlc.arg(endpoints)::jsonb, sqlc.arg(keys)::jsonb,
  sqlc.arg(required_acr)::text[], sqlc.arg(required_amr)::text[]
)::uuid;

-- name: EndIssuer :one
select tenancy.end_issuer(sqlc.arg(issuer)::text, sqlc.arg(reason)::text)::uuid;

-- name: ReplaceKeys :one
select tenancy.replace_keys(sqlc.arg(issuer)::text, sqlc.arg(keys)::jsonb)::int;

-- name: LinkIdentity :one
select tenancy.link_identity(sqlc.arg(who)::text, sqlc.arg(issuer)::text, sqlc.arg(subject)::text)::uuid;

-- name: UnlinkIdentity :one
select tenancy.unlink_identity(
  sqlc.arg(who)::text, sqlc.arg(issuer)::text, sqlc.arg(subject)::text, sqlc.arg(reason)::text
)::uuid;

-- name: BrowseIssuers :exec
select tenancy.browse_issuers(sqlc.arg(ask)::uuid);

-- name: ListIssuers :many
select tenancy.list_issuers()::jsonb;

-- name: EnrollTOTP :one
select tenancy.totp_enroll(sqlc.narg(recovery)::text)::jsonb;

-- name: ConfirmTOTP :one
select tenancy.totp_confirm(sqlc.arg(code)::text)::text[];

-- name: RemoveTOTP :one
select tenancy.totp_remove(sqlc.arg(who)::text, sqlc.arg(reason)::text)::uuid;

-- name: RequireSecondFactor :exec
select tenancy.require_second_factor(sqlc.arg(mode)::text);
