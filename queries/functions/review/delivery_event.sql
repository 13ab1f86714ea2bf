create or replace function review.delivery_event(d review.delivery, state text)
  returns bigint
  language sql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
  insert into audit.event (tenant_id, user_id, actor_kind, action, detail)
  select n.tenant_id, u.id, 'service', 'ship',
    jsonb_strip_nulls(jsonb_build_object(
      'what', 'alert', 'state', delivery_event.state, 'alert', n.id, 'delivery', d.id, 'kind', n.kind,
      'anomaly', n.anomaly_id, 'target', d.target, 'attempts', d.attempts,
      'error', case when delivery_event.state = 'failed' then d.error end
    ))::text
  from review.alert n, tenancy.users u
  where n.id = d.alert_id and u.slug = 'ward-worker' returning event_id
$$;
