-- Leases the proof of an event to the reviewer. tenant is needed only for an event that the database no longer has (its
-- month was pruned): the archive is then searched for it.
create or replace function audit.prove(ask uuid, event bigint, tenant text default null)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  sealed audit.chain;
  clinic uuid;
  who uuid := tenancy.reviewer('prove');
begin
  select * into sealed from audit.chain c where c.event_id = event and tenancy.reaches(who, c.tenant_id, 'prove');
  if found then
    clinic := sealed.tenant_id;
  elsif tenant is null then
    raise exception 'no sealed event % within your reach', event using errcode = '02000',
        hint = 'an event is sealed within seconds; if only the archive has its month, name the clinic: --tenant CLINIC';
  else
    clinic := tenancy.tenant_named(tenant, 'prove');
  end if;
  perform tenancy.look(
    ask => ask, what => 'prove', action => 'prove', shown => null,
    filter => jsonb_strip_nulls(jsonb_build_object('event', event, 'seq', sealed.seq)),
    ids => null, tenant => clinic
  );
end $$;

grant execute on function audit.prove to ward_reviewer;
