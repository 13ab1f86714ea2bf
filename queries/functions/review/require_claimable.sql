create or replace function review.require_claimable(a review.anomaly)
  returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if a.state in ('closed', 'merged', 'suppressed', 'pending_approval') then
    raise exception 'this anomaly is %: there is nothing to claim', a.state using errcode = '55000';
  end if;
end $$;
