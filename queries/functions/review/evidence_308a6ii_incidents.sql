-- 164.308(a)(6)(ii): escalated anomalies of the period.
create or replace function review.evidence_308a6ii_incidents(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select a.id as anomaly_id, a.tenant, a.rule_id, a.severity, a.actor, a.subject_id, a.summary, a.created_at,
      a.escalated_at, a.state, a.disposition, a.closed_at, a.closed_by, a.approved_by, a.close_reason as outcome,
      a.evidence_event_ids, a.decision_event_ids
    from review.anomalies_as_of(scope) a
    where a.escalated_at < (scope).to_at
      and (a.escalated_at >= (scope).from_at or a.closed_at is null or a.closed_at >= (scope).from_at)
    order by a.escalated_at, a.id
  ) line
$$;
