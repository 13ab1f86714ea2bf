-- Sets the dates of a new anomaly: when to claim it and close it, and by when somebody must be notified if it is a
-- breach.
create or replace function review.begin_clocks()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  select core.business_day(new.discovered_on, tt.claim), core.business_day(new.discovered_on, tt.close)
  into new.claim_by, new.close_by
  from review.time_to tt
  where tt.severity = new.severity;
  new.due_on := review.next_deadline(new);
  return new;
end $$;
