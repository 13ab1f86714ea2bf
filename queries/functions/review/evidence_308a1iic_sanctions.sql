-- 164.308(a)(1)(ii)(C): violations of policy that were no breach. The list is empty for those who may not close
-- anomalies, since it tells of sanctions.
create or replace function review.evidence_308a1iiC_sanctions(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select closed
  from review.closed_as(scope, 'policy_violation_no_breach') closed
  where review.may_everywhere((scope).who, (scope).tenants, 'close')
$$;
