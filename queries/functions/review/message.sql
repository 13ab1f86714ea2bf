-- What is to be sent for a delivery; null if it is not waiting any more.
create or replace function review.message(delivery uuid)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select al.content || jsonb_build_object(
    'id', d.id, 'alert_id', al.id, 'kind', al.kind, 'target', d.target, 'region', tenancy.region_here(),
    'tenant', t.slug, 'anomaly_id', al.anomaly_id, 'severity', al.severity, 'created_at', al.created_at
  )
  from review.delivery d join review.alert al on al.id = d.alert_id join tenancy.tenant t on t.id = al.tenant_id
  where d.id = message.delivery and d.state = 'waiting'
$$;

grant execute on function review.message to ward_worker;
