-- Verifying by the installation's workers: the reviewer's side, and the worker's.

-- name: CheckPart :exec
select audit.check_part(sqlc.arg(verification)::uuid, sqlc.arg(path)::text, sqlc.arg(task)::jsonb);

-- name: PartsChecked :one
select audit.parts_checked(
  sqlc.arg(verification)::uuid, sqlc.arg(paths)::text[], make_interval(secs => sqlc.arg(silent)::float8)
)::jsonb;

-- name: TakePart :one
-- As ward_worker: a part that nobody is at, of a verification that goes on.
update audit.part_check c set tries = c.tries + 1, worker = sqlc.arg(worker)::text, beat_at = clock_timestamp()
where c.verification = sqlc.arg(verification)
  and c.path = sqlc.arg(path)
  and c.outcome is null
  and (c.beat_at is null or c.beat_at < clock_timestamp() - make_interval(secs => sqlc.arg(silent)::float8))
  and exists (select from audit.verification v where v.id = c.verification and v.finished_at is null)
returning c.task;

-- name: BeatPart :execrows
-- Says that its worker is still at a part. No row: another one is, or nobody wants it any more.
update audit.part_check c set beat_at = clock_timestamp()
where c.verification = sqlc.arg(verification)
  and c.path = sqlc.arg(path)
  and c.worker = sqlc.arg(worker)::text
  and c.outcome is null
  and exists (select from audit.verification v where v.id = c.verification and v.finished_at is null);

-- name: LeavePart :exec
-- A worker that stops leaves the part to the next one.
update audit.part_check c set beat_at = null
where c.verification = sqlc.arg(verification)
  and c.path = sqlc.arg(path)
  and c.worker = sqlc.arg(worker)::text
  and c.outcome is null;

-- name: SavePart :exec
-- The first outcome stands.
update audit.part_check c set outcome = sqlc.arg(outcome)::jsonb, finished_at = clock_timestamp()
where c.verification = sqlc.arg(verification) and c.path = sqlc.arg(path) and c.outcome is null;
