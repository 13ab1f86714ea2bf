-- The n-th day from Monday to Friday after a date. Holidays are not known here.
create or replace function core.business_day(start date, n int)
  returns date
  language plpgsql immutable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select d::date
    from generate_series(start + 1, start + 2 * n + 3, '1 day') d
    where extract(isodow from d) < 6
    order by d offset n - 1 limit 1
  );
end $$;
