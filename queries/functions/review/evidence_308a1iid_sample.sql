-- 164.308(a)(1)(ii)(D): thirty of the closed anomalies, drawn by a hash of their ids and the period. Nobody chose
-- them, and the same period draws the same.
create or replace function review.evidence_308a1iiD_sample(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select item
  from review.anomalies_of_period(scope) item
  where item->>'state' = 'closed' and (item->>'closed_at')::timestamptz < (scope).to_at
  order by sha256(convert_to(
    (item->>'anomaly_id') || extract(epoch from (scope).from_at) || '|' || extract(epoch from (scope).to_at), 'utf8'
  )) limit 30
$$;
