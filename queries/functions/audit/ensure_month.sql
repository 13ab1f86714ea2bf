-- A month is its own row-security object: forced, without a policy, so that it is reachable through the parent alone;
-- statement triggers are not cloned from the parent, so the child gets its own. The bounds are written out, because a
-- timestamptz as text follows the caller's DateStyle and TimeZone.
create or replace function audit.ensure_month(month date)
  returns boolean
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  first date := date_trunc('month', month)::date;
  child text := 'event_' || to_char(first, 'YYYY_MM');
begin
  perform pg_advisory_xact_lock(hashtext('ward audit months'));
  if to_regclass('audit.' || child) is not null then return false; end if;
  execute format('create table audit.%I partition of audit.event for values from (%L) to (%L)', child,
    to_char(first, 'YYYY-MM-DD "00:00:00+00"'), to_char(first + interval '1 month', 'YYYY-MM-DD "00:00:00+00"'));
  execute format('alter table audit.%I enable row level security', child);
  execute format('alter table audit.%I force row level security', child);
  execute format(
    'revoke all on audit.%I from public, ward_app, ward_worker, ward_reviewer, ward_reader, ward_keys', child
  );
  execute format(
    'create trigger append_only_truncate before update or delete or truncate on audit.%I for each statement execute '
      'function core.append_only()',
    child
  );
  execute format('alter table audit.%I enable always trigger append_only_truncate', child);
  return true;
end $$;
