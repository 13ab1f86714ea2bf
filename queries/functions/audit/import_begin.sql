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
  clinic uuid := tenancy.tenant_named(tenant, 'import');
  event_id bigint;
begin
  if system is null or system !~ '^[a-z0-9][a-z0-9._-]{0,39}$' then
    raise exception '"%" cannot name the imported system', coalesce(system, '')
      using errcode = '22023', hint = 'use at most 40 of a-z, 0-9, dot, dash and underscore, a letter or digit first';
  end if;
  event_id := audit.write(tenant => clinic, action => 'import', detail => jsonb_build_object(
    'what', 'history', 'import', import, 'system', system, 'file', encode(file, 'hex'), 'dry_run', dry_run,
    'reason', core.require_reason(reason)
  )::text, purpose => 'audit', disclosure => import);
  if not dry_run then
    insert into audit.import (id, tenant_id, system, file, started_by, event_id)
    values (import, clinic, import_begin.system, import_begin.file, who, event_id);
  end if;
  perform tenancy.remember_ask(
    disclosure => import, what => 'import', ids => null, payload => '{}',
    lease => (select review_lease from tenancy.setting), tenant => clinic
  );
  -- how far an earlier import of the same file came
  return jsonb_build_object(
    'event_id', event_id, 'tenant_id', clinic,
    'upto_line', (
      select coalesce(max(ib.upto_line), 0)
      from audit.import i join audit.import_batch ib on ib.import_id = i.id
      where i.tenant_id = clinic and i.system = import_begin.system and i.file = import_begin.file
    )
  );
end $$;

grant execute on function audit.import_begin to ward_reviewer;
