-- 164.308(a)(1)(ii)(D). Periods are counted as the schedule counts them: their ends are the multiples of their length
-- since the year 1.
create or replace function review.evidence_308a1iiD_runs(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with rule as (
    select l.rule_id,
      extract(epoch from (l.front_matter->>'every')::interval) as every,
      l.missing = '{}' as enabled,
      (select min(k.at) from review.rule_log k where k.rule_id = l.rule_id) as since
    from (
      select distinct on (l.rule_id) l.* from review.rule_log l where l.at <= (s).as_of order by l.rule_id, l.id desc
    ) l
  ),
  planned as (
    select r.*,
      case
        when r.enabled and r.since < (s).to_at then floor((extract(epoch from (s).to_at) + 62135596800) / r.every)
          - floor((extract(epoch from greatest((s).from_at, r.since)) + 62135596800) / r.every)
        else 0
      end::bigint as planned
    from rule r
  )
  select to_json(x)
  from (
    select p.rule_id, p.enabled, p.every as period_seconds, p.planned, d.done,
      greatest(p.planned - d.done, 0) as missed, d.upto as examined_up_to, a.failed, a.ok_runs, a.zero_match,
      a.requested, a.matched, a.created, a.merged, a.first_event_id, a.last_event_id, '312b-runs' as counted_in
    from planned p
      cross join lateral (
        select count(*) as done, max(r.period_end) as upto
        from review.run r
        where r.rule_id = p.rule_id
          and r.status = 'ok'
          and r.period_end > (s).from_at
          and r.period_end <= (s).to_at
          and r.finished_at <= (s).as_of
      ) d
      cross join lateral (
        select count(*) filter (where r.status = 'error') as failed, count(*) filter (where r.status = 'ok') as ok_runs,
          count(*) filter (where r.status = 'ok' and r.matched = 0) as zero_match,
          count(*) filter (where r.requested_by is not null) as requested,
          coalesce(sum(r.matched), 0) as matched, coalesce(sum(r.created), 0) as created,
          coalesce(sum(r.merged), 0) as merged, min(r.recorded_as) as first_event_id,
          max(r.recorded_as) as last_event_id
        from review.run r
        where r.rule_id = p.rule_id
          and r.finished_at >= (s).from_at
          and r.finished_at < (s).to_at
          and r.finished_at <= (s).as_of
      ) a
    order by p.rule_id collate "C"
  ) x
$$;
