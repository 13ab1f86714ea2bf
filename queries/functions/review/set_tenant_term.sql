-- Terms of contracts and States, and accounts of one person: an administrator's.
create or replace function review.set_tenant_term(tenant text, state text, contract_days int, reason text)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t uuid := tenancy.tenant_named(tenant, 'configure');
  e bigint;
begin
  if state !~ '^[A-Z]{2}$' or contract_days not between 1 and 60 then
    raise exception 'a State is two capital letters, a contract gives 1 to 60 days' using errcode = '22023';
  end if;
  e := audit.write(
    t, 'configure', 'ok',
    jsonb_build_object('term', 'tenant', 'state', state, 'contract_days', contract_days, 'reason', reason)::text,
    null, null, null, 'audit'
  );
  insert into review.tenant_term (tenant_id, state, contract_days, reason, by_user)
  values (t, set_tenant_term.state, set_tenant_term.contract_days, core.require_reason(reason), tenancy.user_id());
  perform review.recount(t);
  return e;
end $$;

grant execute on function review.set_tenant_term to ward_reviewer;
