-- The worker's jobs: not done, or dead.
create or replace function review.list_jobs()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.the_ask('list:jobs');
  return query select jsonb_build_object(
    'id', j.id, 'queue', j.queue, 'kind', j.kind, 'rule_id', nullif(j.args->>'rule', ''), 'dead', j.state = 'discarded',
    'state', j.state, 'attempt', j.attempt, 'max_attempts', j.max_attempts, 'created_at', j.created_at,
    'next_at', case when j.finalized_at is null then j.scheduled_at end,
    'finished_at', j.finalized_at, 'error', j.errors[cardinality(j.errors)]->>'error'
  )
  from river.river_job j
  where j.state not in ('completed', 'cancelled')
  order by j.state = 'discarded' desc, j.id desc limit 500;
end $$;

grant execute on function review.list_jobs to ward_reviewer;
