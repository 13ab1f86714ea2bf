-- The rank of a severity: 1 for critical to 4 for low.
create or replace function review.rank_of(severity text)
  returns int
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$
  select array_position(array['critical', 'high', 'medium', 'low'], severity)
$$;
