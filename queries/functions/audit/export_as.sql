-- Events leave in the form of another system: the form is on record, and with it whether patients go by their own ids.
-- form: {"format", "system", "raw_patient_ids"}.
create or replace function audit.export_as(ask uuid, filter jsonb, form jsonb)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a tenancy.disclosure := tenancy.the_ask('events');
  f jsonb := audit.checked_filter(filter);
begin
  perform tenancy.reviewer('export', a.tenant_id);
  perform audit.write(
    a.tenant_id, 'export', 'ok',
    (jsonb_build_object('screen', 'events', 'filter', f) || form)::text,
    null, null, null, 'audit', ask
  );
  perform tenancy.remember_ask(
    ask, 'events', null,
    jsonb_build_object('filter', f, 'reason', a.payload->>'reason', 'form', form),
    a.expires_at - clock_timestamp(), a.tenant_id
  );
end $$;

grant execute on function audit.export_as to ward_reviewer;
