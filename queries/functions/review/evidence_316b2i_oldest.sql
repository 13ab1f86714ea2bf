-- 164.316(b)(2)(i): the oldest event, row of the chain, anomaly and run that are kept.
create or replace function review.evidence_316b2i_oldest(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select 'event in the database' as kind, t.slug as tenant, oldest.recorded_at as oldest_at, oldest.event_id,
      null::uuid as run_id, t.retain_years
    from tenancy.tenant t
      join lateral (
        select e.recorded_at, e.event_id
        from review.sealed_event e
        where e.tenant_id = t.id and e.sealed_at <= (scope).as_of
        order by e.recorded_at, e.event_id limit 1
      ) oldest on true
    where t.id = any ((scope).tenants)
    union all
    select 'row of the chain', t.slug, oldest.sealed_at, oldest.event_id, null, t.retain_years
    from tenancy.tenant t
      join lateral (
        select c.sealed_at, c.event_id
        from audit.chain c
        where c.tenant_id = t.id and c.sealed_at <= (scope).as_of
        order by c.seq limit 1
      ) oldest on true
    where t.id = any ((scope).tenants)
    union all
    select 'anomaly', a.tenant, min(a.created_at), null, null, null
    from review.anomalies_as_of(scope) a
    group by a.tenant
    union all (
      select 'run of a rule', null, run.finished_at, run.recorded_as, run.run_id, null
      from review.run run
      where run.finished_at <= (scope).as_of
      order by run.finished_at, run.run_id limit 1
    )
  ) line
  order by line.kind, line.tenant collate "C"
$$;
