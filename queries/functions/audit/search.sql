create or replace function audit.search(ask uuid, filter jsonb)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a tenancy.disclosure := tenancy.the_ask('events');
  f jsonb := audit.checked_filter(filter);
begin
  perform tenancy.reviewer('search', a.tenant_id);
  perform audit.write(
    a.tenant_id, 'search', 'ok', jsonb_build_object('screen', 'events', 'filter', f)::text, null, null, null, 'audit',
    ask
  );
  perform tenancy.remember_ask(
    ask, 'events', null,
    jsonb_build_object('filter', f, 'reason', a.payload->>'reason'),
    a.expires_at - clock_timestamp(), a.tenant_id
  );
end $$;

grant execute on function audit.search to ward_reviewer;
