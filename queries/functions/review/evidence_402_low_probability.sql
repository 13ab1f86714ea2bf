-- 164.402: anomalies that were closed in the period with a low probability of compromise.
create or replace function review.evidence_402_low_probability(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$ select closed from review.closed_as(scope, 'impermissible_low_probability') closed $$;
