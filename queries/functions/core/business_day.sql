-- The days-th day from Monday to Friday after a date. Holidays are not known here.
create or replace function core.business_day(start date, days int)
  returns date
  language plpgsql immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select day::date
    from generate_series(start + 1, start + 2 * days + 3, '1 day') day
    where extract(isodow from day) < 6
    order by day offset days - 1 limit 1
  );
end $$;
