-- Forgets a table that is protected no longer, and records that. target is its name, since the table may be gone. The
-- owner alone can end the protection of one that is there.
create or replace function tenancy.unregister(target text, reason text) returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  protected tenancy.phi_table;
begin
  reason := core.require_reason(reason);
  if exists (select from pg_trigger g where g.tgrelid = to_regclass(target) and g.tgname = 'audit_write') then
    raise exception '% is still protected: tenancy.unprotect removes that first', target using errcode = '55000';
  end if;
  delete from tenancy.relation r where r.record_table = target;
  delete from tenancy.permission p where p.record_table = target;
  delete from tenancy.phi_table p where p.record_table = target returning * into protected;
  if not found then
    raise exception '% is not a protected table', target using errcode = '55000';
  end if;
  perform tenancy.drop_view(target);
  return audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'unprotect',
    'table', target, 'subject', protected.subject_column, 'by', session_user, 'reason', reason)::text);
end $$;

grant execute on function tenancy.unregister to ward_migrate;
