-- Narrows the open lease of a clinic's events to a filter. The search is an event.
create or replace function audit.search(ask uuid, filter jsonb)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  lease tenancy.disclosure := tenancy.the_ask('events');
  checked jsonb := audit.checked_filter(filter);
begin
  perform tenancy.reviewer('search', lease.tenant_id);
  perform audit.write(
    tenant => lease.tenant_id, action => 'search',
    detail => jsonb_build_object('screen', 'events', 'filter', checked)::text,
    purpose => 'audit', disclosure => ask
  );
  perform tenancy.remember_ask(
    disclosure => ask, what => 'events', ids => null,
    payload => jsonb_build_object('filter', checked, 'reason', lease.payload->>'reason'),
    lease => lease.expires_at - clock_timestamp(), tenant => lease.tenant_id
  );
end $$;

grant execute on function audit.search to ward_reviewer;
