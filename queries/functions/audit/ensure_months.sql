-- Months from the current one to three ahead, so that an insert always has a partition; two years ahead at most.
create or replace function audit.ensure_months(ahead int default 3)
  returns int
  language sql security definer
  set search_path = pg_catalog, pg_temp
as $$
  select count(*)::int
  from generate_series(0, least(greatest(ahead, 3), 24)) ahead_by
  where audit.ensure_month(((clock_timestamp() at time zone 'UTC') + ahead_by * interval '1 month')::date)
$$;

grant execute on function audit.ensure_months to ward_migrate, ward_worker;
