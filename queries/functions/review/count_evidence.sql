create or replace function review.count_evidence()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update review.anomaly a set evidence_count = a.evidence_count + n.n
  from (select x.anomaly_id, count(*) n from added x group by x.anomaly_id) n
  where a.id = n.anomaly_id;
  return null;
end $$;
