-- Bulk reading: one event per record, and one for the export itself.
create or replace function audit.export(disclosure uuid, record_table regclass, ids uuid[], purpose text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.ask_records(disclosure, record_table::text, ids, 'export', purpose);
  perform audit.write(
    tenancy.tenant_id(), 'export', 'ok', jsonb_build_object('records', cardinality(ids))::text, record_table::text,
    null, null, purpose, disclosure
  );
end $$;

grant execute on function audit.export to ward_app;
