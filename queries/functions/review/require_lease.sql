-- state and lease in one place: who may edit now
create or replace function review.require_lease(a review.anomaly, who uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if a.state in ('closed', 'merged', 'suppressed', 'pending_approval') then
    raise exception 'this anomaly is %: only an open one can be edited', a.state using errcode = '55000';
  end if;
  if a.state = 'new' then
    raise exception 'this anomaly is new: claim it first' using errcode = 'WARD5';
  end if;
  if a.assigned_to is distinct from who then
    raise exception 'this anomaly is %''s', tenancy.slug_of(a.assigned_to)
      using errcode = 'WARD3', hint = 'take it over with a reason';
  end if;
  if a.lease_until is null or a.lease_until < clock_timestamp() then
    raise exception 'your 30 minutes to edit are over: claim it again' using errcode = 'WARD5';
  end if;
end $$;
