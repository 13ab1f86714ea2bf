create or replace function audit.found(record_table text, ids uuid[], subjects uuid[], purpose text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  c jsonb := tenancy.claims();
  disclosure uuid := current_setting('ward.disclosure')::uuid;
begin
  insert into audit.event (
    tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, record_table, record_id,
    subject_id, purpose
  )
  select (c->>'tid')::uuid, (c->>'sub')::uuid, c->>'kind', (c->>'sid')::uuid, (c->>'mid')::uuid, disclosure, 'view',
    found.record_table, x.i, x.s, found.purpose
  from unnest(ids, subjects) as x(i, s);
  perform tenancy.remember_ask(disclosure, record_table, ids, null, (select disclosure_lease from tenancy.setting));
end $$;

grant execute on function audit.found to ward_reader;
