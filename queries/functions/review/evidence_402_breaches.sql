-- 164.402: anomalies that were closed as breaches in the period.
create or replace function review.evidence_402_breaches(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$ select closed from review.closed_as(scope, 'breach') closed $$;
