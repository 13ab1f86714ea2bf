-- Begins a verification by a reviewer, which is committed before the store is read; audit.verify_end records its
-- verdict. A region or tenant that is null, and months that are empty, mean all of them.
create or replace function audit.verify_begin(verification uuid, store text, region text, tenant uuid, months text[])
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer('verify');
begin
  perform audit.write(
    tenant => tenancy.installation(), action => 'verify',
    detail => (jsonb_build_object('verification', verification, 'store', store, 'months', months)
      || jsonb_strip_nulls(jsonb_build_object('region', region, 'tenant', tenant)))::text,
    purpose => 'audit'
  );
  insert into audit.verification (id, user_id, store, region, tenant, months)
  values (verification, who, store, region, tenant, coalesce(months, '{}'));
end $$;

grant execute on function audit.verify_begin to ward_reviewer;
