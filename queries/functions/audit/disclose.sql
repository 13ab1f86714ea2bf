-- Asks to see records: writes one view event per id, and leases them to the session once that is committed.
create or replace function audit.disclose(
  disclosure uuid, record_table regclass, ids uuid[], purpose text default 'treatment'
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.ask_records(
    disclosure => disclosure, record_table => record_table::text, ids => ids, action => 'view', purpose => purpose
  );
end $$;

grant execute on function audit.disclose to ward_app;
