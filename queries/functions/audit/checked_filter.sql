-- The filter of events with its values checked, and the ids of the users that it names. filter: {"actor": [slug],
-- "action": [..], "outcome", "record_table", "record_id", "subject_id", "purpose", "session_id", "from", "to"}, each
-- optional.
create or replace function audit.checked_filter(filter jsonb)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  bad text;
  checked jsonb := coalesce(filter, '{}');
  list text;
begin
  if jsonb_typeof(checked) <> 'object' then
    raise exception 'a filter of events is a JSON object, not a JSON %', jsonb_typeof(checked)
      using errcode = '22023', hint = 'for example {"actor": ["carla"], "action": ["view"]}';
  end if;
  select string_agg(key, ', ') into bad
  from jsonb_object_keys(checked) key
  where key not in (
    'actor', 'action', 'outcome', 'record_table', 'record_id', 'subject_id', 'purpose', 'session_id', 'from', 'to',
    'event_ids'
  );
  if bad is not null then
    raise exception 'a filter of events has no field %', bad using errcode = '22023',
        hint
          = 'the fields are actor, action, outcome, record_table, record_id, subject_id, purpose, session_id, from, to';
  end if;
  if checked ? 'actor' then
    checked := checked || jsonb_build_object(
      'actor_ids', (select jsonb_agg(tenancy.user_named(value)) from jsonb_array_elements_text(checked->'actor') value)
    );
  end if;
  begin
    perform (checked->>'record_id')::uuid, (checked->>'subject_id')::uuid, (checked->>'session_id')::uuid,
      (checked->>'from')::timestamptz, (checked->>'to')::timestamptz;
    foreach list in array array['actor', 'action', 'event_ids'] loop
      perform jsonb_array_length(checked->list);
    end loop;
  exception when data_exception then
    raise exception 'a filter of events has a value of the wrong kind'
      using errcode = '22023', hint = 'ids are uuids, times are RFC 3339, actor and action are lists';
  end;
  return checked;
end $$;
