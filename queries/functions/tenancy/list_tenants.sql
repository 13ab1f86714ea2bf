-- The tenants within reach; review.list_tenants adds what is open at each.
create or replace function tenancy.list_tenants()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.user_id();
begin
  perform tenancy.the_ask('list:tenants');
  return query select jsonb_build_object(
    'id', t.id, 'slug', t.slug, 'name', t.name, 'region', t.region, 'kind', t.kind, 'created_at', t.created_at,
    'retain_years', t.retain_years,
    'members', (select count(*) from tenancy.membership m where m.tenant_id = t.id and m.terminated_at is null)
  )
  from tenancy.tenant t
  where tenancy.reaches(who, t.id, 'browse')
  order by t.kind, t.slug;
end $$;
