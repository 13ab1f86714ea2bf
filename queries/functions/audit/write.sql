-- Writes one event under the transaction's own identity; without one, under nobody's. Reachable from ward's functions
-- only; c spares one that has checked the claims already doing it again.
create or replace function audit.write(
  tenant uuid,
  action text,
  outcome text default 'ok',
  detail text default null,
  record_table text default null,
  record_id uuid default null,
  subject_id uuid default null,
  purpose text default null,
  disclosure uuid default null,
  c jsonb default tenancy.claims()
)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare id bigint;
begin
  insert into audit.event (
    tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, outcome, record_table, record_id,
    subject_id, purpose, detail
  )
  values (
    tenant, (c->>'sub')::uuid, coalesce(c->>'kind', 'unknown'), (c->>'sid')::uuid, (c->>'mid')::uuid, disclosure,
    action, outcome, record_table, record_id, subject_id, purpose, detail
  ) returning event_id into id;
  return id;
end $$;

grant execute on function audit.write to ward_reader;
