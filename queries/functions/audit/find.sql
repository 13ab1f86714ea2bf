-- Searching in three steps. audit.find is the ask; audit.evaluate, in a later transaction under that disclosure, runs
-- exactly the committed search and writes the view events; a third transaction reads the phi view. A search that finds
-- nothing is on record.
create or replace function audit.find(
  disclosure uuid,
  record_table regclass,
  filter jsonb,
  ordering text default 'id',
  max_rows int default 50,
  purpose text default 'treatment'
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare terms jsonb;
begin
  perform tenancy.require(record_table::text, 'view');
  terms := audit.search_terms(record_table::text, filter, ordering, max_rows);
  perform audit.write(
    tenant => tenancy.tenant_id(), action => 'search', detail => terms::text, record_table => record_table::text,
    purpose => purpose, disclosure => disclosure
  );
  perform tenancy.remember_ask(
    disclosure => disclosure, what => 'find:' || record_table::text, ids => null,
    payload => terms || jsonb_build_object('purpose', purpose), lease => (select disclosure_lease from tenancy.setting)
  );
end $$;

grant execute on function audit.find to ward_app;
