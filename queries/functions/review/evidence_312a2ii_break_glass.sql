create or replace function review.evidence_312a2ii_break_glass(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with f as (
    select v.event_id,
      string_agg(y.id || ' ' || y.state || coalesce(' ' || y.disposition, ''), '; ' order by y.id) as follow_up
    from review.anomalies_as_of(s) y join review.evidence v on v.anomaly_id = y.id
    group by v.event_id
  )
  select to_json(x)
  from (
    select e.event_id, coalesce(e.occurred_at, e.recorded_at) as at, t.slug as tenant, u.slug as "user", e.action,
      e.record_table, e.record_id, coalesce(e.subject_id, r.subject_id) as patient_id, e.outcome,
      (
        select min(q.from_at)
        from tenancy.relationship q
        where q.tenant_id = e.tenant_id
          and q.user_id = e.user_id
          and q.patient_id = coalesce(e.subject_id, r.subject_id)
          and q.kind = 'encounter'
          and q.known_at <= (s).as_of
          and q.from_at between coalesce(e.occurred_at, e.recorded_at) - interval '1 day'
            and coalesce(e.occurred_at, e.recorded_at) + interval '1 day'
      ) as encounter_at,
      f.follow_up
    from review.sealed_event e
      join tenancy.tenant t on t.id = e.tenant_id
      left join tenancy.users u on u.id = e.user_id
      left join f on f.event_id = e.event_id
      left join tenancy.record r on r.record_id = e.record_id
        and r.record_table = e.record_table
        and r.tenant_id = e.tenant_id
    where e.tenant_id = any ((s).tenants)
      and e.purpose = 'break_glass'
      and e.recorded_at >= (s).from_at
      and e.recorded_at < (s).to_at
      and e.sealed_at <= (s).as_of
    order by e.recorded_at, e.event_id
  ) x
$$;
