-- 164.312(b): what the lists of this bundle lack: periods skipped, runs that failed, rules not enabled, rows lost,
-- months in the archive only.
create or replace function review.evidence_312b_gaps(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with rule as (
    select r.rule_id, r.at, r.missing, (r.front_matter->>'every')::interval as every from review.rules_as_of(scope) r
  )
  select to_json(line)
  from (
    select 'rule period skipped' as kind, run.rule_id as subject, run.period_start as from_at, run.period_end as to_at,
      'the run at its end covers it' as what, null::bigint as event_id, run.run_id::text as run_id
    from review.run run join rule r on r.rule_id = run.rule_id
    where run.status = 'ok'
      and run.period_end > (scope).from_at
      and run.period_end <= (scope).to_at
      and run.finished_at <= (scope).as_of
      and run.period_end - run.period_start > r.every
    union all
    select 'rule run failed', run.rule_id, run.started_at, run.finished_at, run.error, run.recorded_as, run.run_id::text
    from review.run run
    where run.status = 'error'
      and run.finished_at >= (scope).from_at
      and run.finished_at < (scope).to_at
      and run.finished_at <= (scope).as_of
    union all
    select 'rule not run to the end', r.rule_id, greatest(done.until, (scope).from_at), (scope).to_at,
      'no later period has run', null, null
    from rule r
      left join lateral (
        select max(run.period_end) as until
        from review.run run
        where run.rule_id = r.rule_id and run.status = 'ok' and run.finished_at <= (scope).as_of
      ) done on true
    where coalesce(done.until, '-infinity') < (scope).to_at - r.every
    union all
    select 'rule not enabled', r.rule_id, r.at, null, 'needs ' || array_to_string(r.missing, ', '), null,
      null
    from rule r
    where r.missing <> '{}'
    union all
    select 'rows lost before the chain went on', t.slug, null, r.sealed_at, 'the chain goes on at ' || r.seq,
      r.event_id, null
    from audit.resume r join tenancy.tenant t on t.id = r.tenant_id
    where r.tenant_id = any ((scope).tenants) and r.sealed_at >= (scope).from_at and r.sealed_at <= (scope).as_of
    union all
    select 'events in the archive only', to_char(p.month, 'YYYY-MM'), p.month::timestamp at time zone 'UTC',
      (p.month + interval '1 month') at time zone 'UTC',
      'rows of these lists that rest on events of this month are missing here',
      p.event_id, null
    from audit.pruned p
    where (p.month + interval '1 month') at time zone 'UTC' > (scope).from_at
      and p.month::timestamp at time zone 'UTC' < (scope).to_at
  ) line
  order by line.from_at nulls first, line.kind, line.subject collate "C", line.run_id
$$;
