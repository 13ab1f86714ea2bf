-- 164.312(a)(2)(ii): events of the period with purpose break_glass, the encounter near each, and what became of it.
create or replace function review.evidence_312a2ii_break_glass(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with followed as (
    select ev.event_id,
      string_agg(a.id || ' ' || a.state || coalesce(' ' || a.disposition, ''), '; ' order by a.id) as follow_up
    from review.anomalies_as_of(scope) a join review.evidence ev on ev.anomaly_id = a.id
    group by ev.event_id
  )
  select to_json(line)
  from (
    select e.event_id, coalesce(e.occurred_at, e.recorded_at) as at, t.slug as tenant, u.slug as "user", e.action,
      e.record_table, e.record_id, coalesce(e.subject_id, rec.subject_id) as patient_id, e.outcome,
      (
        select min(rel.from_at)
        from tenancy.relationship rel
        where rel.tenant_id = e.tenant_id
          and rel.user_id = e.user_id
          and rel.patient_id = coalesce(e.subject_id, rec.subject_id)
          and rel.kind = 'encounter'
          and rel.known_at <= (scope).as_of
          and rel.from_at between coalesce(e.occurred_at, e.recorded_at) - interval '1 day'
            and coalesce(e.occurred_at, e.recorded_at) + interval '1 day'
      ) as encounter_at,
      followed.follow_up
    from review.sealed_event e
      join tenancy.tenant t on t.id = e.tenant_id
      left join tenancy.users u on u.id = e.user_id
      left join followed on followed.event_id = e.event_id
      left join tenancy.record rec on rec.record_id = e.record_id
        and rec.record_table = e.record_table
        and rec.tenant_id = e.tenant_id
    where e.tenant_id = any ((scope).tenants)
      and e.purpose = 'break_glass'
      and e.recorded_at >= (scope).from_at
      and e.recorded_at < (scope).to_at
      and e.sealed_at <= (scope).as_of
    order by e.recorded_at, e.event_id
  ) line
$$;
