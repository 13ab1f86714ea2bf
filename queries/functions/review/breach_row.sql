-- A breach as lists show it, with its deadlines.
create or replace function review.breach_row(anomaly review.anomaly)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare assessed review.assessment;
begin
  select * into assessed
  from review.assessment fa
  where fa.id::text = (
    select dv.value
    from review.disposition_value dv
    where dv.anomaly_id = anomaly.id and dv.version = anomaly.closed_version and dv.field = 'assessment'
  );
  return (
    select jsonb_build_object(
      'id', anomaly.id, 'tenant', t.slug, 'tenant_name', t.name, 'region', t.region, 'rule_id', anomaly.rule_id,
      'actor', u.slug, 'state', anomaly.state, 'discovered_on', anomaly.discovered_on, 'first_at', anomaly.first_at,
      'last_at', anomaly.last_at,
      'affected', (
        select dv.value::int
        from review.disposition_value dv
        where dv.anomaly_id = anomaly.id and dv.version = anomaly.closed_version and dv.field = 'affected'
      ),
      'residents', (
        select dv.value
        from review.disposition_value dv
        where dv.anomaly_id = anomaly.id and dv.version = anomaly.closed_version and dv.field = 'residents'
      ),
      'summary', anomaly.summary, 'close_reason', anomaly.close_reason, 'nature', assessed.nature,
      'mitigated', assessed.mitigated, 'closed_by', tenancy.slug_of(anomaly.closed_by),
      'approved_by', case when anomaly.approved_by is not null then tenancy.slug_of(anomaly.approved_by) end,
      'due_on', nullif(anomaly.due_on, 'infinity'),
      'deadlines', review.deadlines(anomaly)
    )
    from tenancy.tenant t left join tenancy.users u on u.id = anomaly.actor_id
    where t.id = anomaly.tenant_id
  );
end $$;
