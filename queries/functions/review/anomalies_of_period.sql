-- The anomalies of a bundle's period: found in it, or still open when it began.
create or replace function review.anomalies_of_period(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(item)
  from (
    select a.id as anomaly_id, a.tenant, a.rule_id, a.rule_version, a.tier, a.severity, a.actor, a.subject_id,
      a.created_at, a.claimed_at, a.closed_at, a.approved_at, a.state, a.disposition, a.closed_by, a.approved_by,
      round(extract(epoch from a.claimed_at - a.created_at) / 3600, 2) as hours_to_claim,
      round(extract(epoch from a.closed_at - a.created_at) / 3600, 2) as hours_to_close,
      a.close_reason, a.recurrence_of, a.evidence_event_ids, a.decision_event_ids
    from review.anomalies_as_of(scope) a
    where a.created_at < (scope).to_at
      and (a.created_at >= (scope).from_at or a.closed_at is null or a.closed_at >= (scope).from_at)
    order by a.created_at, a.id
  ) item
$$;
