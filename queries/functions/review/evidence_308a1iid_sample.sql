-- Thirty of the closed ones, drawn by a hash of their ids and the period: nobody chose them, and the same period draws
-- the same.
create or replace function review.evidence_308a1iiD_sample(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select x
  from review.anomalies_of_period(s) x
  where x->>'state' = 'closed' and (x->>'closed_at')::timestamptz < (s).to_at
  order by sha256(convert_to(
    (x->>'anomaly_id') || extract(epoch from (s).from_at) || '|' || extract(epoch from (s).to_at), 'utf8'
  )) limit 30
$$;
