-- 164.312(b): the sources of events of each clinic, and the newest row of its chain.
create or replace function review.evidence_312b_sources(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select t.slug as tenant, t.region, source.source, source.system, source.events_in_period, source.first_event_at,
      source.last_event_at, source.first_event_id, source.last_event_id, head.seq as chain_seq,
      head.sealed_at as heartbeat_at
    from tenancy.tenant t
      left join lateral (
        select e.source,
          case when e.source = 'import' then e.detail::jsonb->>'system' end as system,
          count(*) as events_in_period, min(e.recorded_at) as first_event_at, max(e.recorded_at) as last_event_at,
          min(e.event_id) as first_event_id, max(e.event_id) as last_event_id
        from review.sealed_event e
        where e.tenant_id = t.id
          and e.recorded_at >= (scope).from_at
          and e.recorded_at < (scope).to_at
          and e.sealed_at <= (scope).as_of
        group by 1, 2
      ) source on true
      left join lateral (
        select c.seq, c.sealed_at
        from audit.chain c
        where c.tenant_id = t.id and c.sealed_at <= (scope).as_of
        order by c.seq desc limit 1
      ) head on true
    where t.id = any ((scope).tenants) and t.created_at <= (scope).as_of
    order by t.slug collate "C", source.source, source.system collate "C"
  ) line
$$;
