-- Refuses a new anomaly in any state but new or suppressed.
create or replace function review.enters_the_queue()
  returns trigger
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.state not in ('new', 'suppressed') then
    raise exception 'an anomaly cannot enter the queue as "%": it begins as new or suppressed', new.state
      using errcode = '42501';
  end if;
  return new;
end $$;
