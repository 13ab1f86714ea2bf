-- The ids that this transaction may see of a PHI table, and the clinic whose they are: of one identity, checked once.
-- None is an error, not an empty chart: that would read as "no allergies". The conditions are those of tenancy.asked.
-- No sequential scans: the table of asks is small when a connection plans this, and thousands of rows a minute later.
create or replace function tenancy.disclosed(record_table text, out ids uuid[], out tenant uuid)
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set jit = off
as $$
declare
  asks int;
  claims jsonb := tenancy.claims();
begin
  if claims is null then
    raise exception 'no identity: tenancy.begin(token, disclosure) comes first' using errcode = '28000';
  end if;
  tenant := (claims->>'tid')::uuid;
  select count(*), min(d.ids) into asks, ids
  from tenancy.disclosure d
  where d.disclosure_id = nullif(current_setting('ward.disclosure', true), '')::uuid
    and d.what = disclosed.record_table
    and d.session_id = (claims->>'sid')::uuid
    and d.user_id = (claims->>'sub')::uuid
    and d.expires_at > clock_timestamp()
    and d.xid is distinct from pg_current_xact_id_if_assigned()
    and d.tenant_id = disclosed.tenant;
  if asks = 0 then
    raise exception 'no committed disclosure for %', record_table using errcode = '42501',
        hint = 'audit.disclose(...), commit, then tenancy.begin(token, disclosure) and select: docs/ADOPTING.md';
  end if;
  if asks > 1 then
    select array_agg(id) into ids
    from tenancy.asked(record_table, claims) d cross join unnest(d.ids) id
    where d.tenant_id = disclosed.tenant;
  end if;
  -- a portal identity sees its patient's records, whatever was asked for
  if claims ? 'pat' then
    select array_agg(r.record_id) into ids
    from unnest(ids) given(id)
      join tenancy.record r on r.record_id = given.id
        and r.record_table = disclosed.record_table
        and r.tenant_id = disclosed.tenant
    where r.subject_id = (claims->>'pat')::uuid;
  end if;
  ids := coalesce(ids, '{}');
end $$;

grant execute on function tenancy.disclosed to ward_app, ward_reader;
