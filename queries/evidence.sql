-- Evidence bundles and certifications.

-- name: EvidenceBegin :exec
select review.evidence_begin(
  sqlc.arg(ask)::uuid, sqlc.arg(tenants)::text[], sqlc.arg(from_at)::timestamptz, sqlc.narg(to_at)::timestamptz,
  sqlc.narg(as_of)::timestamptz
);

-- name: EvidenceScope :one
select review.evidence_scope()::jsonb;

-- name: EvidenceEnd :one
select review.evidence_end(sqlc.arg(bundle)::uuid, sqlc.arg(sha256)::bytea)::bigint;

-- name: Certify :one
select review.certify(sqlc.arg(manifest)::bytea, sqlc.arg(statement)::text)::jsonb;

-- name: ApproveCertification :one
select review.approve_certification(sqlc.arg(certification)::text, sqlc.arg(reason)::text)::jsonb;

-- name: BrowseCertifications :exec
select review.browse_certifications(sqlc.arg(ask)::uuid);

-- name: Certifications :many
select review.certifications()::jsonb;
