-- How long a claim lets its holder edit an anomaly. Each change by the holder begins it anew.
create or replace function review.edit_time()
  returns interval
  language plpgsql immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return interval '30 minutes';
end $$;
