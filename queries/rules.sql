-- Rules, runs and the anomalies that a run finds, as ward_worker.

-- name: SaveRule :exec
insert into review.rule (id, version, tier, severity, title, content_hash, front_matter, missing, kind, stage, own)
values (
  sqlc.arg(id), sqlc.arg(version), sqlc.arg(tier), sqlc.arg(severity), sqlc.arg(title), sqlc.arg(content_hash),
  sqlc.arg(front_matter), sqlc.arg(missing)::text[], sqlc.arg(kind), sqlc.arg(stage), sqlc.arg(own)
) on conflict (id) do update
set version = excluded.version, tier = excluded.tier, severity = excluded.severity, title = excluded.title,
  content_hash = excluded.content_hash, front_matter = excluded.front_matter, missing = excluded.missing,
  kind = excluded.kind, stage = excluded.stage, own = excluded.own, loaded_at = clock_timestamp();

-- name: RuleForRun :one
select cursor_batch, missing from review.rule where id = sqlc.arg(id) for update;

-- name: AdvanceRule :exec
-- A cursor never goes back: a run that failed may be recorded after another one that did not.
update review.rule
set cursor_batch = greatest(cursor_batch, sqlc.arg(cursor_batch)), last_run_at = sqlc.arg(at)::timestamptz
where id = sqlc.arg(id);

-- name: DueRules :many
-- The enabled rules, each with the end of the last period that ran.
select r.id, x.period_end
from review.rule r
  left join lateral (
    select x.period_end
    from review.run x
    where x.rule_id = r.id and x.status = 'ok' and x.period_end is not null
    order by x.period_end desc limit 1
  ) x on true
where r.missing = '{}'
order by r.id;

-- name: LastPeriod :one
-- Asked for with the rule's row locked: nobody else decides about its periods meanwhile.
select period_end
from review.run
where rule_id = sqlc.arg(id) and status = 'ok' and period_end is not null
order by period_end desc limit 1;

-- name: BoundIdle :exec
-- A worker that stops in the middle of a run, with its connection open, would keep the rule's lock for ever.
select set_config('idle_in_transaction_session_timeout', '60000', true);

-- name: KnownLateness :one
-- Whether an anomaly of this key, open or closed, already tells of what has been late since then.
select exists (select from review.anomaly where key = sqlc.arg(key) and last_at >= sqlc.arg(since)::timestamptz);

-- name: JobCounts :many
select queue::text as queue, state::text as state, jobs::bigint as jobs from review.job_counts();

-- name: OldestUnsealed :one
-- When the oldest event was recorded that has no place in the chain yet; no row: there is none. Old is by transaction,
-- as the sealer takes them. Where the sealer stands is a subquery, hence a bound of the index: joined, it was a filter
-- on every event there is.
select e.recorded_at
from audit.event e
where e.xid >= (select coalesce(pg_snapshot_xmax(s.snapshot), '0'::xid8) from audit.seal_state s)
order by e.xid, e.event_id limit 1;

-- name: OldestSealedAfter :one
-- When the oldest row after a batch was sealed; no row: there is none.
select c.sealed_at from audit.chain c where c.batch > sqlc.arg(batch) order by c.batch limit 1;

-- name: LastSuccesses :many
-- The enabled rules, each with the end of its last successful run, or since when it is known.
select r.id, coalesce(x.finished_at, r.known_since)::timestamptz as at
from review.rule r
  left join lateral (
    select x.finished_at
    from review.run x
    where x.rule_id = r.id and x.status = 'ok'
    order by x.finished_at desc limit 1
  ) x on true
where r.missing = '{}'
order by r.id;

-- name: SealedUpTo :one
-- The newest batch of which everything was sealed at or before a time, and not before the one given.
select review.settled(sqlc.arg(at)::timestamptz, sqlc.arg(low)::bigint)::bigint;

-- name: FilteredUpTo :one
-- How far every enabled filter of an earlier stage has been; where there is none, as far as asked for.
select coalesce(min(cursor_batch), sqlc.arg(upto)::bigint)::bigint
from review.rule
where kind = 'filter' and missing = '{}' and stage < sqlc.arg(stage)::int;

-- name: SliceEnd :one
-- The batch in which the n-th row after a batch stands, or the last one asked for.
select coalesce((
  select c.batch
  from audit.chain c
  where c.batch > sqlc.arg(after)::bigint and c.batch <= sqlc.arg(upto)::bigint
  order by c.batch offset sqlc.arg(n)::bigint limit 1
), sqlc.arg(upto)::bigint)::bigint;

-- name: Explain :execrows
-- Only accesses that are to be explained, of the tenant and person that the filter named.
insert into review.explanation (
  event_id, filter, filter_version, tenant_id, user_id, patient_id, at, reason, valid_until, inherited_from, run_id
)
select a.event_id, sqlc.arg(filter), sqlc.arg(filter_version), a.tenant_id, a.user_id, a.patient_id, a.at, x.reason,
  nullif(x.valid_until, 'epoch'), nullif(x.inherited_from, 0), sqlc.arg(run_id)
from (
  select unnest(sqlc.arg(tenants)::uuid[]) as tenant_id, unnest(sqlc.arg(actors)::uuid[]) as actor_id,
    unnest(sqlc.arg(event_ids)::bigint[]) as event_id, unnest(sqlc.arg(reasons)::text[]) as reason,
    unnest(sqlc.arg(valid_until)::timestamptz[]) as valid_until,
    unnest(sqlc.arg(inherited_from)::bigint[]) as inherited_from
) x
  cross join lateral (select * from review.staff_access a where a.event_id = x.event_id offset 0) a
where a.tenant_id = x.tenant_id and a.user_id = x.actor_id
on conflict do nothing;

-- name: Explained :one
-- How many of these events a filter has explained.
select count(*)
from review.explanation
where filter = sqlc.arg(filter) and event_id = any (sqlc.arg(event_ids)::bigint[]);

-- name: CountExplained :exec
update review.rule set explained = explained + sqlc.arg(more)::bigint where id = sqlc.arg(id);

-- name: RulesLoaded :exec
-- A worker says which rules it has the files of.
update review.rule set loaded_at = clock_timestamp()
where id = any (sqlc.arg(ids)::text[]) and loaded_at < clock_timestamp() - interval '30 seconds';

-- name: OpenAnomalyByKey :one
select a.id, a.summary, a.facts, (select count(*) from review.evidence e where e.anomaly_id = a.id)::bigint as evidence
from review.anomaly a where a.key = sqlc.arg(key) and a.open for update of a;

-- name: LastClosedByKey :one
-- The newest closed one of a matter, and whether it was made within the window: then, where the rule says so, what is
-- found belongs to it still. Closing moves no window.
select id, summary, facts,
  (created_at > clock_timestamp() - sqlc.arg(window_seconds)::float8 * interval '1 second')::boolean as within,
  (select count(*) from review.evidence e where e.anomaly_id = review.anomaly.id)::bigint as evidence
from review.anomaly
where key = sqlc.arg(key) and state = 'closed'
order by created_at desc limit 1;

-- name: SeenEvidence :one
-- Whether any anomaly of this key has all of these events already: then a re-run adds nothing.
select (not exists (
  select from unnest(sqlc.arg(event_ids)::bigint[]) x(id)
  where not exists (
    select from review.evidence e join review.anomaly a on a.id = e.anomaly_id
    where a.key = sqlc.arg(key) and e.event_id = x.id
  )
))::boolean;

-- name: NewAnomaly :one
insert into review.anomaly (
  tenant_id, rule_id, rule_version, tier, severity, actor_id, subject_id, key, summary, facts, first_at, last_at,
  recurrence_of, suppression_id, state
)
values (
  sqlc.arg(tenant_id), sqlc.arg(rule_id), sqlc.arg(rule_version), sqlc.arg(tier), sqlc.arg(severity),
  sqlc.narg(actor_id), sqlc.narg(subject_id), sqlc.arg(key), sqlc.arg(summary), sqlc.arg(facts), sqlc.arg(first_at),
  sqlc.arg(last_at), sqlc.narg(recurrence_of), sqlc.narg(suppression_id),
  case when sqlc.narg(suppression_id)::uuid is null then 'new' else 'suppressed' end
) returning id;

-- name: MergeAnomaly :exec
-- A new version: who decides on an anomaly has seen its evidence, all of it.
update review.anomaly
set version = version + 1, summary = sqlc.arg(summary), facts = sqlc.arg(facts),
  first_at = least(first_at, sqlc.arg(first_at)), last_at = greatest(last_at, sqlc.arg(last_at))
where id = sqlc.arg(id);

-- name: AddEvidence :execrows
-- Each event by its place in the chain (OFFSET 0): by a list of ids, it was a pass over everything that the clinic ever
-- recorded, for each match.
insert into review.evidence (
  anomaly_id, event_id, recorded_at, at, action, outcome, record_table, record_id, subject_id, session_id, purpose, seq,
  hash, added_by_run
)
select sqlc.arg(anomaly_id), a.event_id, a.recorded_at, a.at, a.action, a.outcome, a.record_table, a.record_id,
  a.patient_id, a.session_id, a.purpose, a.seq, a.hash, sqlc.arg(run_id)
from unnest(sqlc.arg(event_ids)::bigint[]) x(event_id)
  cross join lateral (select * from review.access a where a.event_id = x.event_id offset 0) a
where a.tenant_id = sqlc.arg(tenant_id)
on conflict do nothing;

-- name: NewTransition :exec
insert into review.transition (anomaly_id, version, from_state, to_state, reason, evidence)
values (sqlc.arg(anomaly_id), 1, null, sqlc.arg(to_state)::text, sqlc.arg(reason), sqlc.arg(evidence));

-- name: RecordRun :exec
insert into review.run (
  run_id, rule_id, rule_version, content_hash, from_batch, to_batch, matched, created, merged, suppressed, started_at,
  status, error, requested_by, event_id, recorded_as, period_start, period_end, second_look
)
values (
  sqlc.arg(run_id), sqlc.arg(rule_id), sqlc.arg(rule_version), sqlc.arg(content_hash), sqlc.arg(from_batch),
  sqlc.arg(to_batch), sqlc.arg(matched), sqlc.arg(created), sqlc.arg(merged), sqlc.arg(suppressed),
  sqlc.arg(started_at), sqlc.arg(status), sqlc.narg(error), sqlc.narg(requested_by), sqlc.narg(event_id),
  sqlc.arg(recorded_as), sqlc.narg(period_start), sqlc.narg(period_end), sqlc.narg(second_look)::date
);

-- name: Inputs :many
-- What a rule may require and this installation has: kinds of relationships, and inputs that are filled.
select distinct kind::text as name from tenancy.relation union select name from review.input where ready order by name;

-- name: Installation :one
select tenancy.installation()::uuid;

-- name: AdvanceActivity :one
select review.advance_activity(sqlc.arg(upto)::bigint)::bigint;

-- name: BaselineBatch :one
select batch from review.baseline;

-- name: RecountActivity :one
select review.recount_activity(sqlc.arg(first)::date, sqlc.arg(last)::date)::bigint;

-- name: SuppressedBy :one
select coalesce(
  review.suppressed_by(
    sqlc.arg(rule)::text, sqlc.arg(tenant)::uuid, sqlc.narg(actor)::uuid, sqlc.arg(events)::bigint[]
  ),
  '00000000-0000-0000-0000-000000000000'
)::uuid as id;

-- name: CountHit :exec
update review.suppression set hits = hits + 1, last_hit_at = clock_timestamp() where id = sqlc.arg(id);

-- name: SuppressedAnomaly :one
-- The item of what a suppression holds back of one matter: made, or found.
select a.id, a.summary, a.facts, (select count(*) from review.evidence e where e.anomaly_id = a.id)::bigint as evidence
from review.anomaly a
where a.key = sqlc.arg(key) and a.suppression_id = sqlc.arg(suppression)::uuid and a.state = 'suppressed'
for update of a;

-- name: Suppress :one
select review.suppress(sqlc.arg(what)::jsonb)::jsonb;

-- name: ApproveSuppression :one
select review.approve_suppression(sqlc.arg(id)::text, sqlc.arg(reason)::text)::jsonb;

-- name: EndSuppression :one
select review.end_suppression(sqlc.arg(id)::text, sqlc.arg(reason)::text)::jsonb;

-- name: RetireRule :one
select review.retire_rule(sqlc.arg(rule)::text, sqlc.arg(reason)::text)::bigint;

-- name: LookedTwice :one
select exists (
  select from review.run where rule_id = sqlc.arg(id) and second_look = sqlc.arg(night)::date and status = 'ok'
);
