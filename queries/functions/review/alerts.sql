-- The alerts that review.browse_alerts recorded, with their deliveries.
create or replace function review.alerts()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('alerts');
begin
  return query select jsonb_build_object(
    'id', al.id, 'kind', al.kind, 'tenant', t.slug, 'anomaly_id', al.anomaly_id, 'rule_id', al.content->>'rule_id',
    'what', al.content->>'what', 'severity', al.severity, 'created_at', al.created_at, 'target', d.target,
    'state', coalesce(d.state, 'nobody'), 'attempts', coalesce(d.attempts, 0), 'error', d.error, 'done_at', d.done_at,
    'event_id', d.event_id
  )
  from unnest(ask.ids) with ordinality shown(id, place)
    join review.alert al on al.id = shown.id
    join tenancy.tenant t on t.id = al.tenant_id
    left join review.delivery d on d.alert_id = al.id
  where tenancy.reaches(ask.user_id, al.tenant_id, 'browse')
  order by shown.place, d.target;
end $$;

grant execute on function review.alerts to ward_reviewer;
