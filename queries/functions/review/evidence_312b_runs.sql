-- 164.312(b): the runs of rules that ended in the period.
create or replace function review.evidence_312b_runs(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select run.run_id, run.rule_id, run.rule_version, run.content_hash, run.started_at, run.finished_at, run.status,
      run.matched, run.created, run.merged, run.matched = 0 and run.status = 'ok' as zero_match, run.from_batch,
      run.to_batch, run.period_start, run.period_end, u.slug as requested_by, run.event_id as request_event_id,
      run.recorded_as as event_id, run.error
    from review.run run left join tenancy.users u on u.id = run.requested_by
    where run.finished_at >= (scope).from_at and run.finished_at < (scope).to_at and run.finished_at <= (scope).as_of
    order by run.finished_at, run.run_id
  ) line
$$;
