-- Takes the closing off an anomaly that goes back into the queue, and sets anew by when to close it.
create or replace function review.unclose(anomaly uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update review.anomaly a
  set disposition = null, closed_by = null, closed_at = null, close_reason = null, approved_by = null,
    closed_version = null,
    close_by = core.business_day(core.today(), (select tt.close from review.time_to tt where tt.severity = a.severity))
  where a.id = anomaly;
end $$;
