-- The tenants within reach, with how many anomalies are open at each.
create or replace function review.list_tenants()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query select t || jsonb_build_object(
    'open_anomalies', (select count(*) from review.anomaly x where x.tenant_id = (t->>'id')::uuid and x.open)
  )
  from tenancy.list_tenants() t;
end $$;

grant execute on function review.list_tenants to ward_reviewer;
