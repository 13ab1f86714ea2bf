create or replace function review.evidence_316b2i_oldest(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select 'event in the database' as kind, t.slug as tenant, e.recorded_at as oldest_at, e.event_id,
      null::uuid as run_id, t.retain_years
    from tenancy.tenant t
      join lateral (
        select y.recorded_at, y.event_id
        from review.sealed_event y
        where y.tenant_id = t.id and y.sealed_at <= (s).as_of
        order by y.recorded_at, y.event_id limit 1
      ) e on true
    where t.id = any ((s).tenants)
    union all
    select 'row of the chain', t.slug, c.sealed_at, c.event_id, null, t.retain_years
    from tenancy.tenant t
      join lateral (
        select y.sealed_at, y.event_id
        from audit.chain y
        where y.tenant_id = t.id and y.sealed_at <= (s).as_of
        order by y.seq limit 1
      ) c on true
    where t.id = any ((s).tenants)
    union all
    select 'anomaly', a.tenant, min(a.created_at), null, null, null
    from review.anomalies_as_of(s) a
    group by a.tenant
    union all (
      select 'run of a rule', null, r.finished_at, r.recorded_as, r.run_id, null
      from review.run r
      where r.finished_at <= (s).as_of
      order by r.finished_at, r.run_id limit 1
    )
  ) x
  order by x.kind, x.tenant collate "C"
$$;
