-- Enters an alert and its deliveries, unless there is one for the same matter. An anomaly that no target wants to hear
-- of leaves none, except a critical one: the list then says that nobody was told.
create or replace function review.tell(
  matter text, kind text, tenant uuid, anomaly uuid, severity text, content jsonb, except_target text default null
)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  alert uuid;
  names text[];
begin
  select coalesce(array_agg(target.name), '{}') into names
  from review.alert_target target
  where target.seen_at > clock_timestamp() - interval '1 hour'
    and target.name is distinct from except_target
    and case tell.kind
      when 'anomaly' then review.rank_of(tell.severity) <= review.rank_of(target.severity)
      when 'digest' then target.digest
      else true
    end;
  if names = '{}' and tell.severity <> 'critical' then return null; end if;
  insert into review.alert (matter, kind, tenant_id, anomaly_id, severity, content)
  values (tell.matter, tell.kind, tenant, anomaly, tell.severity, tell.content) on conflict do nothing returning id
  into alert;
  insert into review.delivery (alert_id, target) select alert, name from unnest(names) name where alert is not null;
  return alert;
end $$;
