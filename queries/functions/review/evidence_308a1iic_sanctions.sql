create or replace function review.evidence_308a1iiC_sanctions(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select x
  from review.closed_as(s, 'policy_violation_no_breach') x
  where review.may_everywhere((s).who, (s).tenants, 'close')
$$;
