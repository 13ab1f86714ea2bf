-- Forgets a table that is protected no longer, and records that. t is its name, since the table may be gone. The owner
-- alone can end the protection of one that is there.
create or replace function tenancy.unregister(t text, reason text) returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  protected tenancy.phi_table;
begin
  reason := core.require_reason(reason);
  if exists (select from pg_trigger g where g.tgrelid = to_regclass(t) and g.tgname = 'audit_write') then
    raise exception '% is still protected: tenancy.unprotect undoes that', t using errcode = '55000';
  end if;
  delete from tenancy.relation r where r.record_table = t;
  delete from tenancy.permission p where p.record_table = t;
  delete from tenancy.phi_table p where p.record_table = t returning * into protected;
  if not found then
    raise exception '% is not a protected table', t using errcode = '55000';
  end if;
  perform tenancy.drop_view(t);
  return audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'unprotect',
    'table', t, 'subject', protected.subject_column, 'by', session_user, 'reason', reason)::text);
end $$;

grant execute on function tenancy.unregister to ward_migrate;
