-- The hour of the day of a time, in UTC.
create or replace function review.hour_of(at timestamptz)
  returns int
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$ select extract(hour from at at time zone 'UTC')::int $$;

grant execute on function review.hour_of to ward_rule, ward_worker;
