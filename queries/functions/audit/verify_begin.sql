-- A verification by a reviewer: begun and committed before the store is read, its verdict recorded after.
-- region, tenant and months: null and empty are all there are. worse: what was not valid, by REGION/YYYY-MM.
create or replace function audit.verify_begin(verification uuid, store text, region text, tenant uuid, months text[])
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer('verify');
begin
  perform audit.write(
    tenancy.installation(), 'verify', 'ok',
    (jsonb_build_object('verification', verification, 'store', store, 'months', months)
      || jsonb_strip_nulls(jsonb_build_object('region', region, 'tenant', tenant)))::text,
    null, null, null, 'audit'
  );
  insert into audit.verification (id, user_id, store, region, tenant, months)
  values (verification, who, store, region, tenant, coalesce(months, '{}'));
end $$;

grant execute on function audit.verify_begin to ward_reviewer;
