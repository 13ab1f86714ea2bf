-- Writes one event under the transaction's own identity; without one, under nobody's. Only ward's own functions can
-- call it. A caller that has checked the claims already passes them, which spares checking them again.
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
  claims jsonb default tenancy.claims()
)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare event_id bigint;
begin
  insert into audit.event as e (
    tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, outcome, record_table, record_id,
    subject_id, purpose, detail
  )
  values (
    tenant, (claims->>'sub')::uuid, coalesce(claims->>'kind', 'unknown'), (claims->>'sid')::uuid,
    (claims->>'mid')::uuid, disclosure, action, outcome, record_table, record_id, subject_id, purpose, detail
  ) returning e.event_id into event_id;
  return event_id;
end $$;

grant execute on function audit.write to ward_reader;
