-- The jobs that are not done, by queue and state. River makes its tables after ward's, hence plpgsql.
create or replace function review.job_counts()
  returns table (queue text, state text, jobs bigint)
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query select job.queue, job.state::text, count(*)
  from river.river_job job
  where job.state not in ('completed', 'cancelled')
  group by job.queue, job.state order by 1, 2;
end $$;

grant execute on function review.job_counts to ward_worker;
