create or replace function review.begin_clocks()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  select core.business_day(new.discovered_on, x.claim), core.business_day(new.discovered_on, x.close)
  into new.claim_by, new.close_by
  from review.time_to x
  where x.severity = new.severity;
  new.due_on := coalesce((select min(d.due_on) from review.notification_deadlines(new) d), 'infinity');
  return new;
end $$;
