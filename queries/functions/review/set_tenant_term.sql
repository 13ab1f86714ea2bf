-- Sets the State and the contract's days of a clinic. An administrator may.
create or replace function review.set_tenant_term(tenant text, state text, contract_days int, reason text)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic uuid := tenancy.tenant_named(tenant, 'configure');
  event_id bigint;
begin
  if state !~ '^[A-Z]{2}$' or contract_days not between 1 and 60 then
    raise exception
      'the term of a clinic needs a State of two capital letters and a contract of 1 to 60 days, not "%" and %',
      state, contract_days
      using errcode = '22023';
  end if;
  event_id := audit.write(
    tenant => clinic, action => 'configure',
    detail => jsonb_build_object(
      'term', 'tenant', 'state', state, 'contract_days', contract_days, 'reason', reason
    )::text,
    purpose => 'audit'
  );
  insert into review.tenant_term (tenant_id, state, contract_days, reason, by_user)
  values (clinic, set_tenant_term.state, set_tenant_term.contract_days, core.require_reason(reason), tenancy.user_id());
  perform review.recount(clinic);
  return event_id;
end $$;

grant execute on function review.set_tenant_term to ward_reviewer;
