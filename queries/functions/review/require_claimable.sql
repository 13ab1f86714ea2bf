-- Refuses unless the anomaly is open.
create or replace function review.require_claimable(anomaly review.anomaly)
  returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if anomaly.state in ('closed', 'merged', 'suppressed', 'pending_approval') then
    raise exception 'this anomaly is %: there is nothing to claim', anomaly.state using errcode = '55000';
  end if;
end $$;
