-- Refuses unless the person may edit the anomaly now: it is open, theirs, and claimed within review.edit_time().
create or replace function review.require_lease(anomaly review.anomaly, who uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if anomaly.state in ('closed', 'merged', 'suppressed', 'pending_approval') then
    raise exception 'this anomaly is %: only an open one can be edited', anomaly.state using errcode = '55000';
  end if;
  if anomaly.state = 'new' then
    raise exception 'this anomaly is new: claim it first' using errcode = 'WARD5';
  end if;
  if anomaly.assigned_to is distinct from who then
    raise exception 'this anomaly is %''s', tenancy.slug_of(anomaly.assigned_to)
      using errcode = 'WARD3', hint = 'take it over with a reason';
  end if;
  if anomaly.lease_until is null or anomaly.lease_until < clock_timestamp() then
    raise exception 'your time to edit this anomaly is over: claim it again' using errcode = 'WARD5';
  end if;
end $$;
