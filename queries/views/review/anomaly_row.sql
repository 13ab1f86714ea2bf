-- An anomaly as lists and details show it. People whom most anomalies do not have are looked up, not joined.
create or replace view review.anomaly_row as
  select a.id, a.tenant_id, t.slug as tenant, t.name as tenant_name, t.region, a.rule_id, a.rule_version, r.title,
    a.tier, a.severity, a.actor_id, u.slug as actor, u.name as actor_name, a.subject_id, a.summary, a.facts, a.first_at,
    a.last_at, a.state, a.version,
    (select u.slug from tenancy.users u where u.id = a.assigned_to) as assigned_to,
    a.lease_until, a.disposition,
    (select u.slug from tenancy.users u where u.id = a.closed_by) as closed_by,
    a.closed_at, a.close_reason,
    (select u.slug from tenancy.users u where u.id = a.approved_by) as approved_by,
    a.recurrence_of, a.created_at, a.evidence_count, a.discovered_on, nullif(a.due_on, 'infinity') as due_on,
    nullif(a.claim_by, 'infinity') as claim_by, nullif(a.close_by, 'infinity') as close_by, a.review_on
  from review.anomaly a
    join tenancy.tenant t on t.id = a.tenant_id
    join review.rule r on r.id = a.rule_id
    left join tenancy.users u on u.id = a.actor_id;
