-- The newest runs of the rules whose id begins with what was asked for.
create or replace function review.list_runs()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('list:runs');
begin
  return query select jsonb_build_object(
    'run_id', run.run_id, 'rule_id', run.rule_id, 'rule_version', run.rule_version, 'from_batch', run.from_batch,
    'to_batch', run.to_batch, 'matched', run.matched, 'created', run.created, 'merged', run.merged,
    'suppressed', run.suppressed, 'started_at', run.started_at, 'finished_at', run.finished_at, 'status', run.status,
    'error', run.error, 'requested_by', u.slug, 'request_event', run.event_id, 'recorded_as', run.recorded_as,
    'period_start', run.period_start, 'period_end', run.period_end
  )
  from review.run run left join tenancy.users u on u.id = run.requested_by
  where ask.payload->>'of' is null or starts_with(run.rule_id, ask.payload->>'of')
  order by run.finished_at desc limit 500;
end $$;

grant execute on function review.list_runs to ward_reviewer;
