-- What became of the reviewer's own request. The request was recorded, so reading its answer is no event. done: the
-- worker is through with it.
create or replace function review.requested(event bigint)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer('browse');
begin
  return (
    select jsonb_build_object(
      'done', job.state in ('completed', 'cancelled', 'discarded'), 'state', job.state,
      'runs', coalesce((
        select jsonb_agg(jsonb_build_object(
          'rule_id', run.rule_id, 'matched', run.matched, 'created', run.created, 'merged', run.merged,
          'status', run.status, 'error', run.error
        ) order by run.rule_id)
        from review.run run
        where run.event_id = event
      ), '[]')
    )
    from river.river_job job
    where job.queue = 'requests' and (job.args->>'event_id')::bigint = event and job.args->>'requested_by' = who::text
  );
end $$;

grant execute on function review.requested to ward_reviewer;
