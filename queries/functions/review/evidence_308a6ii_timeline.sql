-- 164.308(a)(6)(ii): what happened in each of the incidents, in order: evidence, states and notes.
create or replace function review.evidence_308a6ii_timeline(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with incidents as (
    select (incident->>'anomaly_id')::uuid as id from review.evidence_308a6ii_incidents(scope) incident
  )
  select to_json(line)
  from (
    select ev.anomaly_id, ev.at, 'evidence' as kind,
      ev.action || ' ' || coalesce(ev.record_table, '') || ' ' || coalesce(ev.record_id::text, '') || ' '
        || ev.outcome as what,
      null as by_user, ev.event_id
    from review.evidence ev join audit.chain c on c.event_id = ev.event_id
    where ev.anomaly_id in (select incidents.id from incidents) and c.sealed_at <= (scope).as_of
    union all
    select tr.anomaly_id, tr.at, 'state',
      coalesce(tr.from_state || ' to ', '') || tr.to_state || coalesce(': ' || tr.reason, ''),
      u.slug,
      coalesce(tr.event_id, (
        select min(run.recorded_as)
        from review.evidence ev join review.run run on run.run_id = ev.added_by_run
        where ev.anomaly_id = tr.anomaly_id and tr.version = 1
      ))
    from review.transition tr left join tenancy.users u on u.id = tr.by_user
    where tr.anomaly_id in (select incidents.id from incidents) and tr.at <= (scope).as_of
    union all
    select n.anomaly_id, n.at, 'note', n.text, u.slug,
      (
        select min(e.event_id)
        from review.sealed_event e
        where e.tenant_id = any ((scope).tenants)
          and e.recorded_at between n.at - interval '1 minute' and n.at + interval '1 minute'
          and e.action = 'note'
          and e.detail::jsonb->>'anomaly' = n.anomaly_id::text
          and e.detail::jsonb->>'sha256' = encode(sha256(convert_to(n.text, 'utf8')), 'hex')
          and e.sealed_at <= (scope).as_of
      )
    from review.note n join tenancy.users u on u.id = n.by_user
    where n.anomaly_id in (select incidents.id from incidents) and n.at <= (scope).as_of
  ) line
  order by line.anomaly_id, line.at, line.event_id, line.what collate "C"
$$;
