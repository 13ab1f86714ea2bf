create or replace function review.alerts()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare k tenancy.disclosure := tenancy.the_ask('alerts');
begin
  return query select jsonb_build_object(
    'id', n.id, 'kind', n.kind, 'tenant', t.slug, 'anomaly_id', n.anomaly_id, 'rule_id', n.content->>'rule_id',
    'what', n.content->>'what', 'severity', n.severity, 'created_at', n.created_at, 'target', d.target,
    'state', coalesce(d.state, 'nobody'), 'attempts', coalesce(d.attempts, 0), 'error', d.error, 'done_at', d.done_at,
    'event_id', d.event_id
  )
  from unnest(k.ids) with ordinality x(id, place)
    join review.alert n on n.id = x.id
    join tenancy.tenant t on t.id = n.tenant_id
    left join review.delivery d on d.alert_id = n.id
  where tenancy.reaches(k.user_id, n.tenant_id, 'browse')
  order by x.place, d.target;
end $$;

grant execute on function review.alerts to ward_reviewer;
