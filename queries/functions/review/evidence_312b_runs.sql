create or replace function review.evidence_312b_runs(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select r.run_id, r.rule_id, r.rule_version, r.content_hash, r.started_at, r.finished_at, r.status, r.matched,
      r.created, r.merged, r.matched = 0 and r.status = 'ok' as zero_match, r.from_batch, r.to_batch, r.period_start,
      r.period_end, u.slug as requested_by, r.event_id as request_event_id, r.recorded_as as event_id, r.error
    from review.run r left join tenancy.users u on u.id = r.requested_by
    where r.finished_at >= (s).from_at and r.finished_at < (s).to_at and r.finished_at <= (s).as_of
    order by r.finished_at, r.run_id
  ) x
$$;
