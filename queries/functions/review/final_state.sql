-- The state in which a disposition leaves an anomaly.
create or replace function review.final_state(disposition text)
  returns text
  language plpgsql immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return case disposition when 'duplicate' then 'merged' else 'closed' end;
end $$;
