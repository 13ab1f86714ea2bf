-- Writes the view events of a search's hits, and leases the records to the session.
create or replace function audit.found(record_table text, ids uuid[], subjects uuid[], purpose text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  claims jsonb := tenancy.claims();
  disclosure uuid := current_setting('ward.disclosure')::uuid;
begin
  insert into audit.event (
    tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, record_table, record_id,
    subject_id, purpose
  )
  select (claims->>'tid')::uuid, (claims->>'sub')::uuid, claims->>'kind', (claims->>'sid')::uuid,
    (claims->>'mid')::uuid, disclosure, 'view', found.record_table, hit.id, hit.subject, found.purpose
  from unnest(ids, subjects) as hit(id, subject);
  perform tenancy.remember_ask(
    disclosure => disclosure, what => record_table, ids => ids, payload => null,
    lease => (select disclosure_lease from tenancy.setting)
  );
end $$;

grant execute on function audit.found to ward_reader;
