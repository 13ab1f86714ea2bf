-- tenant is needed only for an event that the database no longer has (its month was pruned): the archive is then
-- searched for it.
create or replace function audit.prove(ask uuid, event bigint, tenant text default null)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  c audit.chain;
  t uuid;
  who uuid := tenancy.reviewer('prove');
begin
  select * into c from audit.chain x where x.event_id = event and tenancy.reaches(who, x.tenant_id, 'prove');
  if found then
    t := c.tenant_id;
  elsif tenant is null then
    raise exception 'no sealed event % within your reach', event using errcode = '02000',
        hint
          = 'an event is sealed within seconds; for a month that only the archive has, name the clinic: --tenant '
            'CLINIC';
  else
    t := tenancy.tenant_named(tenant, 'prove');
  end if;
  perform tenancy.look(
    ask, 'prove', 'prove', null, jsonb_strip_nulls(jsonb_build_object('event', event, 'seq', c.seq)), null, t
  );
end $$;

grant execute on function audit.prove to ward_reviewer;
