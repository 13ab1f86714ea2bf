create or replace function review.enters_the_queue()
  returns trigger
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.state not in ('new', 'suppressed') then
    raise exception 'an anomaly is new, or suppressed' using errcode = '42501';
  end if;
  return new;
end $$;
