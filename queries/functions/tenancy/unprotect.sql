-- Undoes what protect and relate made for a table: its policies, triggers, view, grants and registration, and row
-- security where nobody else's policy is left. Run by the table's owner, or by a role that may act as the owner. What
-- protect took, such as a grant to PUBLIC, does not come back. The history of the table's records stays.
create or replace function tenancy.unprotect(target regclass, reason text) returns bigint
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  item record;
  part regclass;
  event bigint;
begin
  if not exists (select from tenancy.phi_table p where p.record_table = target::text) then
    raise exception '% is not a protected table, so there is nothing to undo', target using errcode = '55000';
  end if;
  -- first, so that it is refused to who may not: then nothing has changed
  execute format('lock table %s in access exclusive mode', target);
  for item in select g.tgname from pg_trigger g
    where g.tgrelid = target and not g.tgisinternal and (g.tgname = 'audit_write'
      or g.tgname in (select 'relate_' || r.kind from tenancy.relation r where r.record_table = target::text))
  loop
    execute format('drop trigger %I on %s', item.tgname, target);
  end loop;
  for item in select p.polname from pg_policy p
    where p.polrelid = target and p.polname in ('tenant_boundary', 'disclosed', 'through_view')
  loop
    execute format('drop policy %I on %s', item.polname, target);
  end loop;
  for part in select relid from pg_partition_tree(target) union select target loop
    if not exists (select from pg_policy p where p.polrelid = part) then
      execute format('alter table %s no force row level security', part);
      execute format('alter table %s disable row level security', part);
    end if;
  end loop;
  execute format('revoke all on %s from ward_app, ward_reader', target);
  event := tenancy.unregister(target::text, reason);
  perform tenancy.leave_schema(target);
  return event;
end $$;

grant execute on function tenancy.unprotect to ward_migrate;
