create or replace function review.unclose(anomaly uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update review.anomaly x
  set disposition = null, closed_by = null, closed_at = null, close_reason = null, approved_by = null,
    closed_version = null,
    close_by = core.business_day(core.today(), (select t.close from review.time_to t where t.severity = x.severity))
  where x.id = anomaly;
end $$;
