-- The first day by which somebody must still be notified of an anomaly; infinity if there is none.
create or replace function review.next_deadline(anomaly review.anomaly)
  returns date
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    (select min(d.due_on) from review.notification_deadlines(anomaly) d where d.made_on is null), 'infinity'
  );
end $$;
