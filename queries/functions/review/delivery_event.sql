-- Writes the worker's event of a delivery that came to an end. state: delivered or failed.
create or replace function review.delivery_event(delivery review.delivery, state text)
  returns bigint
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  select audit.write_worker(
    tenant => al.tenant_id,
    action => 'ship',
    detail => jsonb_strip_nulls(jsonb_build_object(
      'what', 'alert', 'state', delivery_event.state, 'alert', al.id, 'delivery', delivery.id, 'kind', al.kind,
      'anomaly', al.anomaly_id, 'target', delivery.target, 'attempts', delivery.attempts,
      'error', case when delivery_event.state = 'failed' then delivery.error end
    ))::text
  )
  from review.alert al
  where al.id = delivery.alert_id
$$;
