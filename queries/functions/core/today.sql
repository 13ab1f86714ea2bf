-- Today's date in UTC, by the clock and not by the transaction's start.
create or replace function core.today() returns date language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (clock_timestamp() at time zone 'UTC')::date;
end $$;
