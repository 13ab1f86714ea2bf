-- The newest runs, of the rules whose id starts with what was asked for.
create or replace function review.list_runs()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare a tenancy.disclosure := tenancy.the_ask('list:runs');
begin
  return query select jsonb_build_object(
    'run_id', x.run_id, 'rule_id', x.rule_id, 'rule_version', x.rule_version, 'from_batch', x.from_batch,
    'to_batch', x.to_batch, 'matched', x.matched, 'created', x.created, 'merged', x.merged, 'suppressed', x.suppressed,
    'started_at', x.started_at, 'finished_at', x.finished_at, 'status', x.status, 'error', x.error,
    'requested_by', u.slug, 'request_event', x.event_id, 'recorded_as', x.recorded_as, 'period_start', x.period_start,
    'period_end', x.period_end
  )
  from review.run x left join tenancy.users u on u.id = x.requested_by
  where a.payload->>'of' is null or starts_with(x.rule_id, a.payload->>'of')
  order by x.finished_at desc limit 500;
end $$;

grant execute on function review.list_runs to ward_reviewer;
