create or replace function audit.open(
  ask uuid, tenant text, reason text, filter jsonb default '{}', ticket text default null
)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t uuid := tenancy.tenant_named(tenant, 'open');
  f jsonb := audit.checked_filter(filter);
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then
    raise exception 'opening a clinic''s audit rows needs a reason of at least four characters' using errcode = '22023';
  end if;
  perform audit.write(
    t, 'open', 'ok',
    jsonb_build_object('screen', 'events', 'reason', reason, 'ticket', ticket, 'filter', f)::text,
    null, null, null, 'audit', ask
  );
  perform tenancy.remember_ask(
    ask, 'events', null, jsonb_build_object('filter', f, 'reason', reason), (select review_lease from tenancy.setting),
    t
  );
end $$;

grant execute on function audit.open to ward_reviewer;
