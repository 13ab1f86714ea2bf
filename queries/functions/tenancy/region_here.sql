-- The region of this database.
create or replace function tenancy.region_here()
  returns text
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (select region from tenancy.instance);
end $$;

grant execute on function tenancy.region_here to ward_worker;
