create or replace function review.evidence_308a1iiD_items(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$ select x from review.anomalies_of_period(s) x $$;
