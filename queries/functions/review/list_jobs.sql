-- The worker's jobs that are not done, or dead: the newest 500.
create or replace function review.list_jobs()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.the_ask('list:jobs');
  return query select jsonb_build_object(
    'id', job.id, 'queue', job.queue, 'kind', job.kind, 'rule_id', nullif(job.args->>'rule', ''),
    'dead', job.state = 'discarded', 'state', job.state, 'attempt', job.attempt, 'max_attempts', job.max_attempts,
    'created_at', job.created_at,
    'next_at', case when job.finalized_at is null then job.scheduled_at end,
    'finished_at', job.finalized_at, 'error', job.errors[cardinality(job.errors)]->>'error'
  )
  from river.river_job job
  where job.state not in ('completed', 'cancelled')
  order by job.state = 'discarded' desc, job.id desc limit 500;
end $$;

grant execute on function review.list_jobs to ward_reviewer;
