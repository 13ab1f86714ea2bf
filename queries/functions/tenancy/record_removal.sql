-- Records that ward is about to be removed from this database. Null: it was never initialised, and has no history.
create or replace function tenancy.record_removal(reason text, drop_history boolean) returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from tenancy.instance) then
    return null;
  end if;
  return audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'remove ward',
    'history_dropped', drop_history, 'by', session_user, 'reason', core.require_reason(reason))::text);
end $$;
