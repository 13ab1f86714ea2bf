create or replace function tenancy.set_retention(tenant text, years int, reason text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic uuid := tenancy.tenant_named(tenant, 'configure');
  old int;
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then
    raise exception 'a retention needs a reason of at least four characters' using errcode = '22023';
  end if;
  select t.retain_years into old from tenancy.tenant t where t.id = clinic for update;
  if years is null or years < old or years > 100 then
    raise exception '% years: history of % is kept for % years, which can grow to 100 and never shrink',
      years, tenant, old
      using errcode = '22023', hint = 'what is locked already could not be unlocked';
  end if;
  update tenancy.tenant t set retain_years = years where t.id = clinic;
  perform audit.write(
    clinic, 'configure', 'ok',
    detail => jsonb_build_object('what', 'tenant retention', 'years', years, 'before', old, 'reason', reason)::text,
    purpose => 'audit'
  );
end $$;

grant execute on function tenancy.set_retention to ward_reviewer;
