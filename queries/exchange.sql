-- Events to and from other systems.

-- name: ExportAs :exec
select audit.export_as(sqlc.arg(ask)::uuid, sqlc.arg(filter)::jsonb, sqlc.arg(form)::jsonb);

-- name: ExportNames :one
select audit.export_names(sqlc.arg(memberships)::uuid[], sqlc.arg(patients)::uuid[])::jsonb;

-- name: ImportBegin :one
select audit.import_begin(
  sqlc.arg(import)::uuid, sqlc.arg(tenant)::text, sqlc.arg(system)::text, sqlc.arg(file)::bytea, sqlc.arg(reason)::text,
  sqlc.arg(dry_run)::boolean
)::jsonb;

-- name: ImportActors :one
select audit.import_actors(sqlc.arg(actors)::text[])::jsonb;

-- name: ImportEvents :one
select audit.import_events(sqlc.arg(import)::uuid, sqlc.arg(upto_line)::bigint, sqlc.arg(rows)::jsonb)::jsonb;
