select id, tenant_id, tenant, tenant_name, region, rule_id, rule_version, title, tier, severity, actor_id, actor,
  actor_name, subject_id, summary, facts, first_at, last_at, state, version, assigned_to, lease_until, disposition,
  closed_by, closed_at, close_reason, approved_by, recurrence_of, created_at, evidence_count, discovered_on::text,
  due_on::text, claim_by::text, close_by::text, review_on::text
from review.page()
