-- Bulk reading: one event per record, and one for the export itself.
create or replace function audit.export(disclosure uuid, record_table regclass, ids uuid[], purpose text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.ask_records(
    disclosure => disclosure, record_table => record_table::text, ids => ids, action => 'export', purpose => purpose
  );
  perform audit.write(
    tenant => tenancy.tenant_id(), action => 'export',
    detail => jsonb_build_object('records', cardinality(ids))::text,
    record_table => record_table::text, purpose => purpose, disclosure => disclosure
  );
end $$;

grant execute on function audit.export to ward_app;
