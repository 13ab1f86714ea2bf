-- Enters an alert and its deliveries, unless the matter has one. An anomaly that nobody wants to hear of leaves none,
-- except a critical one: then the list says that nobody was told.
create or replace function review.tell(
  matter text, kind text, tenant uuid, anomaly uuid, severity text, content jsonb, except_target text default null
)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  n uuid;
  names text[];
begin
  select coalesce(array_agg(t.name), '{}') into names
  from review.alert_target t
  where t.seen_at > clock_timestamp() - interval '1 hour'
    and t.name is distinct from except_target
    and case tell.kind
      when 'anomaly' then review.rank_of(tell.severity) <= review.rank_of(t.severity)
      when 'digest' then t.digest
      else true
    end;
  if names = '{}' and tell.severity <> 'critical' then return null; end if;
  insert into review.alert (matter, kind, tenant_id, anomaly_id, severity, content)
  values (tell.matter, tell.kind, tenant, anomaly, tell.severity, tell.content) on conflict do nothing returning id
  into n;
  insert into review.delivery (alert_id, target) select n, x from unnest(names) x where n is not null;
  return n;
end $$;
