-- The anomaly queue as a reviewer works it.

-- name: OpenAnomaly :exec
select review.open(sqlc.arg(ask)::uuid, sqlc.arg(anomaly)::text);

-- name: AnomalyDetails :one
select review.details()::jsonb;

-- name: Claim :one
select review.claim(sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int)::jsonb;

-- name: Release :one
select review.release(sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(reason)::text)::jsonb;

-- name: Assign :one
select review.assign(
  sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(to_user)::text, sqlc.arg(reason)::text
)::jsonb;

-- name: Note :one
select review.note(sqlc.arg(anomaly)::text, sqlc.arg(said)::text)::jsonb;

-- name: Wait :one
select review.wait(sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(reason)::text)::jsonb;

-- name: Close :one
select review.close(
  sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(disposition)::text, sqlc.arg(reason)::text,
  sqlc.arg(fields)::jsonb
)::jsonb;

-- name: Approve :one
select review.approve(
  sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(accept)::boolean, sqlc.arg(reason)::text
)::jsonb;

-- name: Escalate :one
select review.escalate(sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(reason)::text)::jsonb;

-- name: Reopen :one
select review.reopen(sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(reason)::text)::jsonb;

-- name: Request :one
select review.request(sqlc.arg(action)::text, sqlc.arg(detail)::jsonb)::bigint;

-- name: Requested :one
select coalesce(review.requested(sqlc.arg(event)::bigint), 'null')::jsonb;

-- name: Take :one
select review.take(sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(reason)::text)::jsonb;

-- name: CloseMany :many
select review.close_many(
  sqlc.arg(batch)::uuid, sqlc.arg(items)::jsonb, sqlc.arg(expected)::int, sqlc.arg(disposition)::text,
  sqlc.arg(reason)::text, sqlc.arg(fields)::jsonb
)::jsonb;

-- name: Assess :one
select review.assess(
  sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(nature)::text, sqlc.arg(recipient)::text,
  sqlc.arg(acquired)::text, sqlc.arg(mitigated)::text, sqlc.arg(outcome)::text
)::jsonb;

-- name: Discovered :one
select review.discovered(
  sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(discovered_on)::text::date, sqlc.arg(reason)::text
)::jsonb;

-- name: ConfirmDiscovery :one
select review.confirm(
  sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(accept)::boolean, sqlc.arg(reason)::text
)::jsonb;

-- name: LawHold :one
select review.law_hold(
  sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(until)::text::date, sqlc.arg(written)::boolean,
  sqlc.arg(official)::text
)::jsonb;

-- name: Noticed :one
select review.noticed(
  sqlc.arg(anomaly)::text, sqlc.arg(expected_version)::int, sqlc.arg(recipient)::text, sqlc.arg(made_on)::text::date,
  sqlc.arg(reference)::text
)::jsonb;

-- name: Link :one
select review.link(sqlc.arg(anomaly)::text, sqlc.arg(other)::text, sqlc.arg(reason)::text)::jsonb;

-- name: Attach :one
select review.attach(sqlc.arg(anomaly)::text, sqlc.arg(name)::text, sqlc.arg(content)::bytea)::jsonb;

-- name: OpenAttachment :exec
select review.open_attachment(sqlc.arg(ask)::uuid, sqlc.arg(anomaly)::text, sqlc.arg(file)::text);

-- name: AttachmentOpened :one
select x.name::text as name, x.sha256::text as sha256, x.content::bytea as content from review.attachment_opened() x;

-- name: BrowseBreaches :exec
select review.browse_breaches(sqlc.arg(ask)::uuid, sqlc.narg(year)::int);

-- name: Breaches :many
select review.breaches()::jsonb;

-- name: SetTenantTerm :one
select review.set_tenant_term(
  sqlc.arg(tenant)::text, sqlc.narg(state)::text, sqlc.narg(contract_days)::int, sqlc.arg(reason)::text
)::bigint;

-- name: SetStateTerm :one
select review.set_state_term(sqlc.arg(state)::text, sqlc.narg(days)::int, sqlc.arg(citation)::text)::bigint;

-- name: BrowseReviewSettings :exec
select review.browse_settings(sqlc.arg(ask)::uuid, sqlc.arg(what)::text);

-- name: BrowseReviewList :exec
select review.browse_list(sqlc.arg(ask)::uuid, sqlc.arg(what)::text, sqlc.narg(arg)::text);

-- name: ListRules :many
select review.list_rules()::jsonb;

-- name: ListRuns :many
select review.list_runs()::jsonb;

-- name: ListJobs :many
select review.list_jobs()::jsonb;

-- name: ListSuppressions :many
select review.list_suppressions()::jsonb;

-- name: Terms :many
select review.terms()::jsonb;

-- name: LinkAccounts :one
select tenancy.link_accounts(
  sqlc.arg(account)::text, sqlc.arg(same_as)::text, sqlc.arg(reason)::text, sqlc.arg(ending)::boolean
)::bigint;

-- name: ListLinkedAccounts :many
select tenancy.list_linked_accounts()::jsonb;

-- name: Tidy :one
select review.tidy()::int;

-- name: DispositionList :many
select review.disposition_list()::jsonb;
