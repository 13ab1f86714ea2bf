-- Keeps the count of evidence of an anomaly.
create or replace function review.count_evidence()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update review.anomaly a set evidence_count = a.evidence_count + more.rows
  from (select added.anomaly_id, count(*) as rows from added group by added.anomaly_id) more
  where a.id = more.anomaly_id;
  return null;
end $$;
