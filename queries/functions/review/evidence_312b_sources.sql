-- 164.312(b)
create or replace function review.evidence_312b_sources(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select t.slug as tenant, t.region, g.source, g.system, g.events_in_period, g.first_event_at, g.last_event_at,
      g.first_event_id, g.last_event_id, h.seq as chain_seq, h.sealed_at as heartbeat_at
    from tenancy.tenant t
      left join lateral (
        select e.source,
          case when e.source = 'import' then e.detail::jsonb->>'system' end as system,
          count(*) as events_in_period, min(e.recorded_at) as first_event_at, max(e.recorded_at) as last_event_at,
          min(e.event_id) as first_event_id, max(e.event_id) as last_event_id
        from review.sealed_event e
        where e.tenant_id = t.id
          and e.recorded_at >= (s).from_at
          and e.recorded_at < (s).to_at
          and e.sealed_at <= (s).as_of
        group by 1, 2
      ) g on true
      left join lateral (
        select c.seq, c.sealed_at
        from audit.chain c
        where c.tenant_id = t.id and c.sealed_at <= (s).as_of
        order by c.seq desc limit 1
      ) h on true
    where t.id = any ((s).tenants) and t.created_at <= (s).as_of
    order by t.slug collate "C", g.source, g.system collate "C"
  ) x
$$;
