-- Adds a clinic to this region.
create or replace function tenancy.add_tenant(slug text, name text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare clinic uuid;
begin
  perform tenancy.reviewer_of('configure', tenant => null);
  if exists (select from tenancy.tenant t where t.slug = add_tenant.slug) then
    raise exception 'there is a clinic with the short name "%" already', slug
      using errcode = '23505', hint = 'ward tenant list shows those you reach: choose another name';
  end if;
  insert into tenancy.tenant (slug, name, region)
  values (add_tenant.slug, add_tenant.name, tenancy.region_here()) returning id into clinic;
  perform audit.write(clinic, 'configure', 'ok', jsonb_build_object('what', 'tenant add', 'slug', slug)::text);
  return clinic;
end $$;

grant execute on function tenancy.add_tenant to ward_reviewer;
