-- Events leave in the form of another system: the form is on record, and with it whether patients go by their own ids.
-- form: {"format", "system", "raw_patient_ids"}.
create or replace function audit.export_as(ask uuid, filter jsonb, form jsonb)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  lease tenancy.disclosure := tenancy.the_ask('events');
  checked jsonb := audit.checked_filter(filter);
begin
  perform tenancy.reviewer('export', lease.tenant_id);
  perform audit.write(
    tenant => lease.tenant_id, action => 'export',
    detail => (jsonb_build_object('screen', 'events', 'filter', checked) || form)::text,
    purpose => 'audit', disclosure => ask
  );
  perform tenancy.remember_ask(
    disclosure => ask, what => 'events', ids => null,
    payload => jsonb_build_object('filter', checked, 'reason', lease.payload->>'reason', 'form', form),
    lease => lease.expires_at - clock_timestamp(), tenant => lease.tenant_id
  );
end $$;

grant execute on function audit.export_as to ward_reviewer;
