-- How many years a clinic's history is kept: it may grow and never shrink, because the archive locks what it ships.
create or replace function tenancy.set_retention(tenant text, years int, reason text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic uuid := tenancy.tenant_named(tenant, 'configure');
  old int;
begin
  reason := core.require_reason(reason);
  select t.retain_years into old from tenancy.tenant t where t.id = clinic for update;
  if years is null or years < old or years > 100 then
    raise exception 'history of % cannot be kept for % years: it is kept for %, which can grow to 100 and never shrink',
      tenant, years, old
      using errcode = '22023', hint = 'what is locked in the archive stays locked; name a larger number';
  end if;
  update tenancy.tenant t set retain_years = years where t.id = clinic;
  perform audit.write(
    clinic, 'configure', 'ok',
    detail => jsonb_build_object('what', 'tenant retention', 'years', years, 'before', old, 'reason', reason)::text,
    purpose => 'audit'
  );
end $$;

grant execute on function tenancy.set_retention to ward_reviewer;
