-- Writes who wants which records, one event per id, and reads no PHI table, so that a rollback has taught nothing.
create or replace function tenancy.ask_records(
  disclosure uuid, record_table text, ids uuid[], action text, purpose text, claims jsonb default tenancy.claims()
)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set jit = off
as $$
declare written int;
begin
  if coalesce(cardinality(ids), 0) = 0 or cardinality(ids) > 10000 or array_position(ids, null) is not null then
    raise exception 'an ask names 1 to 10,000 ids, none of them null, and this one has %', coalesce(cardinality(ids), 0)
      using errcode = '22023';
  end if;
  if disclosure is null then
    raise exception 'an ask needs a disclosure id: choose a random uuid' using errcode = '22004';
  end if;
  insert into audit.event (
    tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, record_table, record_id,
    subject_id, purpose
  )
  select (claims->>'tid')::uuid, (claims->>'sub')::uuid, claims->>'kind', (claims->>'sid')::uuid,
    (claims->>'mid')::uuid, disclosure, ask_records.action, pt.record_table, wanted.id,
    case when pt.subject_column = 'id' then wanted.id end, ask_records.purpose
  from tenancy.permission p cross join tenancy.phi_table pt cross join (select distinct unnest(ids)) wanted(id)
  where p.role = claims->>'role'
    and p.record_table = ask_records.record_table
    and p.action = ask_records.action
    and pt.record_table = ask_records.record_table
    and claims->>'tid' is not null;
  get diagnostics written = row_count;
  if written = 0 then
    perform tenancy.require(record_table, action, claims);  -- says why
    raise exception 'the permission of % changed meanwhile: ask again', record_table using errcode = '40001';
  end if;
  insert into tenancy.disclosure (disclosure_id, session_id, user_id, tenant_id, what, ids, expires_at)
  select disclosure, (claims->>'sid')::uuid, (claims->>'sub')::uuid, (claims->>'tid')::uuid, ask_records.record_table,
    ask_records.ids, clock_timestamp() + s.disclosure_lease
  from tenancy.setting s
  where s.one;
  return written;
end $$;
