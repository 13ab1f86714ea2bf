-- Writes who wants which records, one event per id, and reads no PHI table, so that a rollback has taught nothing.
create or replace function tenancy.ask_records(
  disclosure uuid, record_table text, ids uuid[], action text, purpose text, c jsonb default tenancy.claims()
)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set jit = off
as $$
declare n int;
begin
  if coalesce(cardinality(ids), 0) = 0 or cardinality(ids) > 10000 or array_position(ids, null) is not null then
    raise exception 'ask for 1 to 10,000 ids, none of them null' using errcode = '22023';
  end if;
  if disclosure is null then
    raise exception 'a disclosure id is needed: choose a random uuid' using errcode = '22004';
  end if;
  insert into audit.event (
    tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, record_table, record_id,
    subject_id, purpose
  )
  select (c->>'tid')::uuid, (c->>'sub')::uuid, c->>'kind', (c->>'sid')::uuid, (c->>'mid')::uuid, disclosure,
    ask_records.action, t.record_table, x.i, case when t.subject_column = 'id' then x.i end, ask_records.purpose
  from tenancy.permission p cross join tenancy.phi_table t cross join (select distinct unnest(ids)) x(i)
  where p.role = c->>'role'
    and p.record_table = ask_records.record_table
    and p.action = ask_records.action
    and t.record_table = ask_records.record_table
    and c->>'tid' is not null;
  get diagnostics n = row_count;
  if n = 0 then
    perform tenancy.require(record_table, action, c);  -- says why
    raise exception 'the permission of % changed meanwhile: ask again', record_table using errcode = '40001';
  end if;
  insert into tenancy.disclosure (disclosure_id, session_id, user_id, tenant_id, what, ids, expires_at)
  select disclosure, (c->>'sid')::uuid, (c->>'sub')::uuid, (c->>'tid')::uuid, ask_records.record_table, ask_records.ids,
    clock_timestamp() + s.disclosure_lease
  from tenancy.setting s
  where s.one;
  return n;
end $$;
