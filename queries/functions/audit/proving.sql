-- The clinic and position in the chain that audit.prove leased.
create or replace function audit.proving()
  returns table (tenant_id uuid, seq bigint)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('prove');
begin
  return query select ask.tenant_id, coalesce((ask.payload->>'seq')::bigint, 0);
end $$;

grant execute on function audit.proving to ward_reviewer;
