-- 164.308(a)(1)(ii)(D): for each rule, how many runs were planned, done and missed. Periods are counted as the
-- schedule counts them: their ends are the multiples of their length since the year 1.
create or replace function review.evidence_308a1iiD_runs(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with rule as (
    select r.rule_id,
      extract(epoch from (r.front_matter->>'every')::interval) as every,
      r.missing = '{}' as enabled,
      (select min(rl.at) from review.rule_log rl where rl.rule_id = r.rule_id) as since
    from review.rules_as_of(scope) r
  ),
  planned as (
    select r.*,
      case
        when r.enabled and r.since < (scope).to_at then floor((
          extract(epoch from (scope).to_at) + 62135596800
        ) / r.every) - floor((extract(epoch from greatest((scope).from_at, r.since)) + 62135596800) / r.every)
        else 0
      end::bigint as planned
    from rule r
  )
  select to_json(line)
  from (
    select p.rule_id, p.enabled, p.every as period_seconds, p.planned, runs_done.done,
      greatest(p.planned - runs_done.done, 0) as missed, runs_done.upto as examined_up_to, counts.failed,
      counts.ok_runs, counts.zero_match, counts.requested, counts.matched, counts.created, counts.merged,
      counts.first_event_id, counts.last_event_id, '312b-runs' as counted_in
    from planned p
      cross join lateral (
        select count(*) as done, max(run.period_end) as upto
        from review.run run
        where run.rule_id = p.rule_id
          and run.status = 'ok'
          and run.period_end > (scope).from_at
          and run.period_end <= (scope).to_at
          and run.finished_at <= (scope).as_of
      ) runs_done
      cross join lateral (
        select count(*) filter (where run.status = 'error') as failed,
          count(*) filter (where run.status = 'ok') as ok_runs,
          count(*) filter (where run.status = 'ok' and run.matched = 0) as zero_match,
          count(*) filter (where run.requested_by is not null) as requested,
          coalesce(sum(run.matched), 0) as matched, coalesce(sum(run.created), 0) as created,
          coalesce(sum(run.merged), 0) as merged, min(run.recorded_as) as first_event_id,
          max(run.recorded_as) as last_event_id
        from review.run run
        where run.rule_id = p.rule_id
          and run.finished_at >= (scope).from_at
          and run.finished_at < (scope).to_at
          and run.finished_at <= (scope).as_of
      ) counts
    order by p.rule_id collate "C"
  ) line
$$;
