-- The history of another system. Whoever imports says what somebody else's log says: an event names the system and the
-- import, its source is import and its recorded_at the database's, whatever was sent. Reviewers cannot; an
-- administrator can, who in turn reviews nothing.
create or replace function audit.import_begin(
  import uuid, tenant text, system text, file bytea, reason text, dry_run boolean
)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('import');
  t uuid := tenancy.tenant_named(tenant, 'import');
  e bigint;
begin
  if system is null or system !~ '^[a-z0-9][a-z0-9._-]{0,39}$' then
    raise exception 'a system has a short name of a-z, 0-9, dot, dash and underscore' using errcode = '22023';
  end if;
  e := audit.write(
    t, 'import', 'ok',
    jsonb_build_object(
      'what', 'history', 'import', import, 'system', system, 'file', encode(file, 'hex'), 'dry_run', dry_run,
      'reason', core.require_reason(reason)
    )::text,
    null, null, null, 'audit', import
  );
  if not dry_run then
    insert into audit.import (id, tenant_id, system, file, started_by, event_id)
    values (import, t, import_begin.system, import_begin.file, who, e);
  end if;
  perform tenancy.remember_ask(import, 'import', null, '{}', (select review_lease from tenancy.setting), t);
  -- how far an earlier import of the same file came
  return jsonb_build_object(
    'event_id', e, 'tenant_id', t,
    'upto_line', (
      select coalesce(max(b.upto_line), 0)
      from audit.import i join audit.import_batch b on b.import_id = i.id
      where i.tenant_id = t and i.system = import_begin.system and i.file = import_begin.file
    )
  );
end $$;

grant execute on function audit.import_begin to ward_reviewer;
