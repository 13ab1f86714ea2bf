-- A reviewer tries out the store: recorded first, and what was found after. It is no verification: it says nothing
-- about the archive's content.
create or replace function audit.examine_store(store text, found jsonb default null)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.reviewer('verify');
  perform audit.write(
    tenant => tenancy.installation(), action => 'verify',
    detail => jsonb_strip_nulls(jsonb_build_object('what', 'archive doctor', 'store', store, 'found', found))::text,
    purpose => 'audit'
  );
end $$;

grant execute on function audit.examine_store to ward_reviewer;
