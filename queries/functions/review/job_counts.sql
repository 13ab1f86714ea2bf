-- The jobs that are not done, by queue and state; River's tables come after this migration.
create or replace function review.job_counts()
  returns table (queue text, state text, jobs bigint)
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query select j.queue, j.state::text, count(*)
  from river.river_job j
  where j.state not in ('completed', 'cancelled')
  group by j.queue, j.state order by 1, 2;
end $$;

grant execute on function review.job_counts to ward_worker;
