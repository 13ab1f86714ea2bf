-- What is to be sent; null: it is not waiting any more.
create or replace function review.message(delivery uuid)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select n.content || jsonb_build_object(
    'id', d.id, 'alert_id', n.id, 'kind', n.kind, 'target', d.target, 'region', tenancy.region_here(), 'tenant', t.slug,
    'anomaly_id', n.anomaly_id, 'severity', n.severity, 'created_at', n.created_at
  )
  from review.delivery d join review.alert n on n.id = d.alert_id join tenancy.tenant t on t.id = n.tenant_id
  where d.id = message.delivery and d.state = 'waiting'
$$;

grant execute on function review.message to ward_worker;
