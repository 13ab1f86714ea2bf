-- Events of one tenant. audit.open leases them for a quarter of an hour; audit.search narrows a lease that is open and
-- is an event of its own; paging and following the tail within a lease add none. filter: {"actor": [slug], "action":
-- [..], "outcome", "record_table", "record_id", "subject_id", "purpose", "session_id", "from", "to"}, each optional.
create or replace function audit.checked_filter(filter jsonb)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  bad text;
  f jsonb := coalesce(filter, '{}');
  k text;
begin
  if jsonb_typeof(f) <> 'object' then raise exception 'a filter is a JSON object' using errcode = '22023'; end if;
  select string_agg(x, ', ') into bad
  from jsonb_object_keys(f) x
  where x not in (
    'actor', 'action', 'outcome', 'record_table', 'record_id', 'subject_id', 'purpose', 'session_id', 'from', 'to',
    'event_ids'
  );
  if bad is not null then
    raise exception 'unknown filter: %', bad using errcode = '22023',
        hint = 'actor, action, outcome, record_table, record_id, subject_id, purpose, session_id, from, to';
  end if;
  if f ? 'actor' then
    f := f || jsonb_build_object(
      'actor_ids', (select jsonb_agg(tenancy.user_named(x)) from jsonb_array_elements_text(f->'actor') x)
    );
  end if;
  begin
    perform (f->>'record_id')::uuid, (f->>'subject_id')::uuid, (f->>'session_id')::uuid, (f->>'from')::timestamptz,
      (f->>'to')::timestamptz;
    foreach k in array array['actor', 'action', 'event_ids'] loop perform jsonb_array_length(f->k); end loop;
  exception when data_exception then
    raise exception 'a filter value is not of its kind: ids are uuids, times are RFC 3339, actor and action are lists'
      using errcode = '22023';
  end;
  return f;
end $$;
