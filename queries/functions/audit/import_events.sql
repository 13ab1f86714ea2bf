create or replace function audit.import_events(import uuid, upto_line bigint, rows jsonb)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('import');
  i audit.import;
  bad bigint;
  n int;
  added int;
  e bigint;
begin
  select * into i from audit.import x where x.id = import and x.started_by = who;
  if i.id is null then raise exception 'no import of yours has this id' using errcode = '02000'; end if;
  perform tenancy.reviewer('import', i.tenant_id);
  n := jsonb_array_length(rows);
  if n not between 1 and 5000 then raise exception 'a batch is 1 to 5,000 events' using errcode = '22023'; end if;
  -- what ward's own reviewers and worker do is not for others to claim
  select min(o) into bad
  from jsonb_array_elements(rows) with ordinality y(x, o)
  where coalesce(x->>'source', '') = ''
    or coalesce(x->>'action', '') not in (
      'view', 'create', 'modify', 'delete', 'export', 'search', 'sign_in', 'sign_out'
    )
    or coalesce(x->>'outcome', '') not in ('ok', 'denied')
    or x->>'at' is null
    or (x->>'at')::timestamptz not between '1990-01-01' and clock_timestamp() + interval '5 minutes'
    or x->>'table' !~ '^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$'
    or octet_length(x::text) > 8000
    or x->>'user' is not null
      and not exists (
        select from tenancy.membership m where m.user_id = (x->>'user')::uuid and m.tenant_id = i.tenant_id
      );
  if bad is not null then
    raise exception 'event % of this batch is not one that can be imported: action, outcome, time, table or user', bad
      using errcode = '22023';
  end if;
  with r as (
    select distinct on (1) sha256(convert_to(x->>'source', 'utf8')) as source, x, o
    from jsonb_array_elements(rows) with ordinality y(x, o)
    order by 1, o
  ),
  fresh as (
    insert into audit.imported as p (tenant_id, system, source, import_id)
    select i.tenant_id, i.system, r.source, i.id
    from r
    order by r.source
    on conflict do nothing returning p.source
  ),
  done as (
    insert into audit.event (
      tenant_id, occurred_at, user_id, actor_kind, membership_id, action, outcome, record_table, record_id, subject_id,
      purpose, detail, source
    )
    select i.tenant_id, (x->>'at')::timestamptz, u.id, coalesce(u.kind, 'unknown'),
      (
        select m.id
        from tenancy.membership m
        where m.tenant_id = i.tenant_id and m.user_id = u.id
        order by m.started_at <= (x->>'at')::timestamptz desc,
          abs(extract(epoch from m.started_at - (x->>'at')::timestamptz)), m.id
        limit 1
      ),
      x->>'action', x->>'outcome', x->>'table', audit.foreign_id(i.tenant_id, i.system, x->>'record'),
      audit.foreign_id(i.tenant_id, i.system, x->>'patient'), x->>'purpose',
      jsonb_strip_nulls(jsonb_build_object(
        'system', i.system, 'import', i.id, 'id', encode(r.source, 'hex'),
        'actor', case when u.id is null then x->>'actor' end, 'client', x->>'client', 'server', x->>'server',
        'owner_tenant', coalesce((
          select t.slug from tenancy.tenant t where t.slug = x->>'owner' or t.id::text = x->>'owner'
        ), x->>'owner')
      ))::text,
      'import'
    from r join fresh f using (source) left join tenancy.users u on u.id = (x->>'user')::uuid
    order by o returning 1
  )
  select count(*) into added
  from done;
  e := audit.write(
    i.tenant_id, 'backfill', 'ok',
    jsonb_build_object(
      'import', i.id, 'system', i.system, 'upto_line', upto_line, 'added', added, 'already_imported', n - added
    )::text,
    null, null, null, 'audit'
  );
  insert into audit.import_batch (import_id, upto_line, added, already_imported, event_id)
  values (i.id, import_events.upto_line, added, n - added, e);
  return jsonb_build_object('added', added, 'already_imported', n - added);
end $$;

grant execute on function audit.import_events to ward_reviewer;
