-- 164.308(a)(1)(ii)(D): the anomalies of the period.
create or replace function review.evidence_308a1iiD_items(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$ select item from review.anomalies_of_period(scope) item $$;
