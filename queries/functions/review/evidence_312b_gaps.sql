create or replace function review.evidence_312b_gaps(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with every as (
    select l.rule_id, (l.front_matter->>'every')::interval as every
    from (
      select distinct on (l.rule_id) l.* from review.rule_log l where l.at <= (s).as_of order by l.rule_id, l.id desc
    ) l
  )
  select to_json(x)
  from (
    select 'rule period skipped' as kind, r.rule_id as subject, r.period_start as from_at, r.period_end as to_at,
      'the run at its end covers it' as what, null::bigint as event_id, r.run_id::text as run_id
    from review.run r join every v on v.rule_id = r.rule_id
    where r.status = 'ok'
      and r.period_end > (s).from_at
      and r.period_end <= (s).to_at
      and r.finished_at <= (s).as_of
      and r.period_end - r.period_start > v.every
    union all
    select 'rule run failed', r.rule_id, r.started_at, r.finished_at, r.error, r.recorded_as, r.run_id::text
    from review.run r
    where r.status = 'error'
      and r.finished_at >= (s).from_at
      and r.finished_at < (s).to_at
      and r.finished_at <= (s).as_of
    union all
    select 'rule not run to the end', v.rule_id, greatest(m.until, (s).from_at), (s).to_at, 'no later period has run',
      null, null
    from every v
      left join lateral (
        select max(r.period_end) as until
        from review.run r
        where r.rule_id = v.rule_id and r.status = 'ok' and r.finished_at <= (s).as_of
      ) m on true
    where coalesce(m.until, '-infinity') < (s).to_at - v.every
    union all
    select 'rule not enabled', l.rule_id, l.at, null, 'needs ' || array_to_string(l.missing, ', '), null, null
    from (
      select distinct on (l.rule_id) l.* from review.rule_log l where l.at <= (s).as_of order by l.rule_id, l.id desc
    ) l
    where l.missing <> '{}'
    union all
    select 'rows lost before the chain went on', t.slug, null, r.sealed_at, 'the chain goes on at ' || r.seq,
      r.event_id, null
    from audit.resume r join tenancy.tenant t on t.id = r.tenant_id
    where r.tenant_id = any ((s).tenants) and r.sealed_at >= (s).from_at and r.sealed_at <= (s).as_of
    union all
    select 'events in the archive only', to_char(p.month, 'YYYY-MM'), p.month::timestamp at time zone 'UTC',
      (p.month + interval '1 month') at time zone 'UTC',
      'rows of these lists that rest on events of this month are missing here',
      p.event_id, null
    from audit.pruned p
    where (p.month + interval '1 month') at time zone 'UTC' > (s).from_at
      and p.month::timestamp at time zone 'UTC' < (s).to_at
  ) x
  order by x.from_at nulls first, x.kind, x.subject collate "C", x.run_id
$$;
