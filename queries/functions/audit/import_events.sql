-- Imports one batch of events, each at most once. upto_line: the last line of the file that the batch holds. rows: a
-- JSON list of {"source", "at", "action", "outcome", "user" or "actor", "table", "record", "patient", ...}.
create or replace function audit.import_events(import uuid, upto_line bigint, rows jsonb)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('import');
  the_import audit.import;
  bad bigint;
  number int;
  added int;
  event_id bigint;
begin
  select * into the_import from audit.import i where i.id = import and i.started_by = who;
  if the_import.id is null then
    raise exception 'you have begun no import %', import using errcode = '02000', hint = 'ward audit import begins one';
  end if;
  perform tenancy.reviewer('import', the_import.tenant_id);
  number := jsonb_array_length(rows);
  if number not between 1 and 5000 then
    raise exception 'a batch has 1 to 5,000 events, not %', number using errcode = '22023';
  end if;
  -- what ward's own reviewers and worker do is not for others to claim
  select min(place) into bad
  from jsonb_array_elements(rows) with ordinality item(entry, place)
  where coalesce(entry->>'source', '') = ''
    or coalesce(entry->>'action', '') not in (
      'view', 'create', 'modify', 'delete', 'export', 'search', 'sign_in', 'sign_out'
    )
    or coalesce(entry->>'outcome', '') not in ('ok', 'denied')
    or entry->>'at' is null
    or (entry->>'at')::timestamptz not between '1990-01-01' and clock_timestamp() + interval '5 minutes'
    or entry->>'table' !~ '^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$'
    or octet_length(entry::text) > 8000
    or entry->>'user' is not null
      and not exists (
        select from tenancy.membership m where m.user_id = (entry->>'user')::uuid and m.tenant_id = the_import.tenant_id
      );
  if bad is not null then
    raise exception 'event % of this batch cannot be imported', bad using errcode = '22023',
        hint = 'look at its source, action, outcome, time, table, user and length (8,000 bytes at most)';
  end if;
  -- Each line of the file is known by its hash: what an earlier import has taken is left out.
  with sent as (
    select distinct on (1) sha256(convert_to(entry->>'source', 'utf8')) as source, entry, place
    from jsonb_array_elements(rows) with ordinality item(entry, place)
    order by 1, place
  ),
  fresh as (
    insert into audit.imported as im (tenant_id, system, source, import_id)
    select the_import.tenant_id, the_import.system, sent.source, the_import.id
    from sent
    order by sent.source
    on conflict do nothing returning im.source
  ),
  done as (
    insert into audit.event (
      tenant_id, occurred_at, user_id, actor_kind, membership_id, action, outcome, record_table, record_id, subject_id,
      purpose, detail, source
    )
    select the_import.tenant_id, (entry->>'at')::timestamptz, u.id, coalesce(u.kind, 'unknown'),
      (
        select m.id
        from tenancy.membership m
        where m.tenant_id = the_import.tenant_id and m.user_id = u.id
        order by m.started_at <= (entry->>'at')::timestamptz desc,
          abs(extract(epoch from m.started_at - (entry->>'at')::timestamptz)), m.id
        limit 1
      ),
      entry->>'action', entry->>'outcome', entry->>'table',
      audit.foreign_id(the_import.tenant_id, the_import.system, entry->>'record'),
      audit.foreign_id(the_import.tenant_id, the_import.system, entry->>'patient'),
      entry->>'purpose',
      jsonb_strip_nulls(jsonb_build_object(
        'system', the_import.system, 'import', the_import.id, 'id', encode(sent.source, 'hex'),
        'actor', case when u.id is null then entry->>'actor' end, 'client', entry->>'client',
        'server', entry->>'server',
        'owner_tenant', coalesce((
          select t.slug from tenancy.tenant t where t.slug = entry->>'owner' or t.id::text = entry->>'owner'
        ), entry->>'owner')
      ))::text,
      'import'
    from sent join fresh using (source) left join tenancy.users u on u.id = (entry->>'user')::uuid
    order by place returning 1
  )
  select count(*) into added
  from done;
  event_id := audit.write(
    tenant => the_import.tenant_id, action => 'backfill',
    detail => jsonb_build_object(
      'import', the_import.id, 'system', the_import.system, 'upto_line', upto_line, 'added', added,
      'already_imported', number - added
    )::text,
    purpose => 'audit'
  );
  insert into audit.import_batch (import_id, upto_line, added, already_imported, event_id)
  values (the_import.id, import_events.upto_line, added, number - added, event_id);
  return jsonb_build_object('added', added, 'already_imported', number - added);
end $$;

grant execute on function audit.import_events to ward_reviewer;
