create or replace function review.breach_row(a review.anomaly)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare s review.assessment;
begin
  select * into s
  from review.assessment x
  where x.id::text = (
    select v.value
    from review.disposition_value v
    where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'assessment'
  );
  return (
    select jsonb_build_object(
      'id', a.id, 'tenant', t.slug, 'tenant_name', t.name, 'region', t.region, 'rule_id', a.rule_id, 'actor', u.slug,
      'state', a.state, 'discovered_on', a.discovered_on, 'first_at', a.first_at, 'last_at', a.last_at,
      'affected', (
        select v.value::int
        from review.disposition_value v
        where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'affected'
      ),
      'residents', (
        select v.value
        from review.disposition_value v
        where v.anomaly_id = a.id and v.version = a.closed_version and v.field = 'residents'
      ),
      'summary', a.summary, 'close_reason', a.close_reason, 'nature', s.nature, 'mitigated', s.mitigated,
      'closed_by', tenancy.slug_of(a.closed_by),
      'approved_by', case when a.approved_by is not null then tenancy.slug_of(a.approved_by) end,
      'due_on', nullif(a.due_on, 'infinity'),
      'deadlines', (
        select coalesce(
          jsonb_agg(jsonb_build_object(
            'recipient', d.recipient, 'due_on', d.due_on, 'why', d.why, 'made_on', d.made_on
          ) order by d.due_on, d.recipient),
          '[]'
        )
        from review.notification_deadlines(a) d
      )
    )
    from tenancy.tenant t left join tenancy.users u on u.id = a.actor_id
    where t.id = a.tenant_id
  );
end $$;
