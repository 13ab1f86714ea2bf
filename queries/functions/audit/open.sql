-- Leases one clinic's events to the reviewer, for tenancy.setting.review_lease. audit.search narrows an open lease and
-- is an event of its own; paging and following the tail within a lease add none.
create or replace function audit.open(
  ask uuid, tenant text, reason text, filter jsonb default '{}', ticket text default null
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic uuid := tenancy.tenant_named(tenant, 'open');
  checked jsonb := audit.checked_filter(filter);
begin
  reason := core.require_reason(reason);
  perform audit.write(
    tenant => clinic, action => 'open',
    detail => jsonb_build_object('screen', 'events', 'reason', reason, 'ticket', ticket, 'filter', checked)::text,
    purpose => 'audit', disclosure => ask
  );
  perform tenancy.remember_ask(
    disclosure => ask, what => 'events', ids => null,
    payload => jsonb_build_object('filter', checked, 'reason', reason),
    lease => (select review_lease from tenancy.setting), tenant => clinic
  );
end $$;

grant execute on function audit.open to ward_reviewer;
