-- What arranges the world of a rule's cases, and what looks at the outcome: statements of the superuser of a database
-- that is thrown away. No login of an installation may write most of this, so it is not among ward's queries.

-- name: months
select audit.ensure_month((current_date - n * interval '1 month')::date)
from generate_series(1, 3) n
-- name: inputs
update review.input set ready = true
-- name: tenant
insert into tenancy.tenant (slug, name, region)
values ($1, 'clinic', tenancy.region_here()) returning id
-- name: user
insert into tenancy.users (slug, name, kind, owner_id)
values ($1, 'person', $2, (select id from tenancy.users where slug = 'root')) returning id
-- name: member
insert into tenancy.membership (tenant_id, user_id, role, patient_id, started_at)
values ($1, $2, $3, $4, now() - interval '1 year') returning id
-- name: installation
select tenancy.installation()
-- name: permission
insert into tenancy.service_permission (user_id, tenant_id, action, record_table, from_hour, to_hour)
values ($1, $2, $3, $4, $5, $6)
-- name: relation
insert into tenancy.relationship (
  record_table, record_id, kind, tenant_id, user_id, patient_id, from_at, to_at, author_id, void_at, known_at
)
values ('test', gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8, $9)
-- name: coverage
insert into tenancy.coverage (tenant_id, user_id, covered_id, from_at, to_at, author_id, void_at, known_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
-- name: end
update tenancy.membership set ended_on = $2, terminated_at = $3, reason = 'left'
where id = $1
-- name: records
insert into tenancy.record (record_table, record_id, tenant_id, subject_id)
select *
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[])
on conflict do nothing
    -- name: analyze
    analyze audit.event, audit.chain, tenancy.record, tenancy.relationship
-- name: link
insert into review.person_link (tenant_id, user_id, patient_id)
values ($1, $2, $3)
-- name: trait
insert into review.trait (input, tenant_id, user_id, patient_id, session_id, key, at)
values ($1, $2, $3, $4, $5, sha256($6::text::bytea), $7)
-- name: queued rule
insert into review.rule (id, version, tier, severity, title, content_hash, front_matter)
values ('T-S', 1, 'S', 'low', 'a rule', 'h', '{}') on conflict do nothing
-- name: queued
insert into review.anomaly (
  id, tenant_id, rule_id, rule_version, tier, severity, actor_id, subject_id, key, summary, first_at, last_at
)
values ($1, $2, 'T-S', 1, 'S', 'low', $3, $5, sha256($4), 'what happened', now(), now())
  -- name: open the chain
  alter table audit.chain disable trigger append_only
  -- name: close the chain
  alter table audit.chain enable always trigger append_only
-- name: resume
insert into audit.resume (tenant_id, seq, hash, sealed_at, event_id)
values ($1, $2, sha256('x'), now(), 0)
-- name: reseal
update audit.chain set sealed_at = $3
where tenant_id = $1 and seq = $2
-- name: remove
delete from audit.chain
where tenant_id = $1 and seq = $2
-- name: suppress
insert into review.suppression (
  rule_id, tier, tenant_id, actor_id, patient_id, reason, ticket, created_by, starts_at, expires_at, event_id
)
select $1, $2, $3, $4, $5, 'a test', 'T-1', u.id, clock_timestamp(),
  clock_timestamp() + interval '7 days' - interval '1 second', 0
from tenancy.users u
where u.slug = 'root' returning id
-- name: approve
update review.suppression set approved_by = $2, approved_at = clock_timestamp()
where id = $1
-- name: rewind
update review.rule set cursor_batch = $2
where id = $1
-- name: settled
select coalesce(max(batch), 0)
from audit.chain
where sealed_at <= $1
-- name: everything
select coalesce((select string_agg(to_jsonb(a)::text, '|' order by a.id) from review.anomaly a), '')
  || coalesce((select string_agg(to_jsonb(e)::text, '|' order by e.anomaly_id, e.event_id) from review.evidence e), '')
  || coalesce((select string_agg(to_jsonb(x)::text, '|' order by x.event_id, x.filter) from review.explanation x), '')
-- name: found
select a.tenant_id, a.actor_id, a.subject_id, a.summary, a.state, array_agg(e.event_id),
  bool_and(v.tenant_id = a.tenant_id)
from review.anomaly a join review.evidence e on e.anomaly_id = a.id join audit.event v using (event_id)
where a.rule_id = $1
group by a.id
-- name: explained
select x.tenant_id, x.user_id, x.reason, x.event_id
from review.explanation x join audit.event v using (event_id, tenant_id, user_id)
where x.filter = $1
-- name: worker
set local role ward_worker
-- name: first event
insert into audit.event (recorded_at, tenant_id, actor_kind, action, source)
select $1, tenancy.installation(), 'service', 'rule_run', 'simulation'
-- name: snapshot
update audit.seal_state set snapshot = (x.n || ':' || x.n || ':')::pg_snapshot
from (select pg_current_xact_id()::text::bigint + 1 as n) x
-- name: rule
insert into review.rule (id, version, tier, severity, title, content_hash, front_matter, missing, known_since, kind)
values ($1, 1, 'B', 'low', 't', 'h', $2, $3, $4, 'flag')
-- name: run event
insert into audit.event (tenant_id, actor_kind, action)
values (tenancy.installation(), 'service', 'rule_run') returning event_id
-- name: seal run event
insert into audit.chain (tenant_id, seq, event_id, recorded_at, batch, sealed_at, nonce, hash)
select e.tenant_id, 1000000 + e.event_id, e.event_id, e.recorded_at, 9, e.recorded_at,
  '\x00000000000000000000000000000000', sha256('')
from audit.event e
where e.event_id = $1
-- name: run
insert into review.run (
  run_id, rule_id, rule_version, content_hash, from_batch, to_batch, started_at, finished_at, status, recorded_as
)
values ($1, $2, 1, 'h', 0, 0, $3, $3, $4, $5)
-- name: waits
insert into audit.event (xid, recorded_at, tenant_id, actor_kind, action)
values ((pg_current_xact_id()::text::bigint + 1)::text::xid8, $1, tenancy.installation(), 'service', 'rule_run')
