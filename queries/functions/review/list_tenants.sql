-- The tenants within reach, with how many anomalies are open at each.
create or replace function review.list_tenants()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return query select listed || jsonb_build_object(
    'open_anomalies', (select count(*) from review.anomaly a where a.tenant_id = (listed->>'id')::uuid and a.open)
  )
  from tenancy.list_tenants() listed;
end $$;

grant execute on function review.list_tenants to ward_reviewer;
