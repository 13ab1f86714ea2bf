create or replace function review.evidence_308a6ii_timeline(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with i as (select (x->>'anomaly_id')::uuid as id from review.evidence_308a6ii_incidents(s) x)
  select to_json(x)
  from (
    select v.anomaly_id, v.at, 'evidence' as kind,
      v.action || ' ' || coalesce(v.record_table, '') || ' ' || coalesce(v.record_id::text, '') || ' '
        || v.outcome as what,
      null as by_user, v.event_id
    from review.evidence v join audit.chain k on k.event_id = v.event_id
    where v.anomaly_id in (select i.id from i) and k.sealed_at <= (s).as_of
    union all
    select t.anomaly_id, t.at, 'state',
      coalesce(t.from_state || ' to ', '') || t.to_state || coalesce(': ' || t.reason, ''),
      u.slug,
      coalesce(t.event_id, (
        select min(r.recorded_as)
        from review.evidence v join review.run r on r.run_id = v.added_by_run
        where v.anomaly_id = t.anomaly_id and t.version = 1
      ))
    from review.transition t left join tenancy.users u on u.id = t.by_user
    where t.anomaly_id in (select i.id from i) and t.at <= (s).as_of
    union all
    select n.anomaly_id, n.at, 'note', n.text, u.slug,
      (
        select min(e.event_id)
        from review.sealed_event e
        where e.tenant_id = any ((s).tenants)
          and e.recorded_at between n.at - interval '1 minute' and n.at + interval '1 minute'
          and e.action = 'note'
          and e.detail::jsonb->>'anomaly' = n.anomaly_id::text
          and e.detail::jsonb->>'sha256' = encode(sha256(convert_to(n.text, 'utf8')), 'hex')
          and e.sealed_at <= (s).as_of
      )
    from review.note n join tenancy.users u on u.id = n.by_user
    where n.anomaly_id in (select i.id from i) and n.at <= (s).as_of
  ) x
  order by x.anomaly_id, x.at, x.event_id, x.what collate "C"
$$;
