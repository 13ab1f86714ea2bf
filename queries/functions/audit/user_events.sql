-- One page of one person's events, as audit.open_user leased them: newest first, before (pos_at, pos_id).
create or replace function audit.user_events(
  pos_at timestamptz default null, pos_id bigint default null, max_rows int default 200
)
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  filter jsonb;
  person uuid;
  tenants uuid[];
begin
  perform tenancy.reviewing();
  if max_rows is null or max_rows not between 1 and 5000 then
    raise exception 'a page of events has 1 to 5,000 rows, not %', coalesce(max_rows, 0) using errcode = '22023';
  end if;
  select array_agg(asked.tenant_id), min(asked.ids[1]::text)::uuid, (jsonb_agg(asked.payload->'filter'))->0
  into tenants, person, filter
  from tenancy.asked('events of a user') asked
  where tenancy.reaches(asked.user_id, asked.tenant_id, 'open');
  if tenants is null then return; end if;
  return query select jsonb_build_object(
    'tenant', t.slug, 'event_id', shown.event_id, 'recorded_at', shown.recorded_at, 'occurred_at', shown.occurred_at,
    'actor', actor.slug, 'actor_id', shown.user_id, 'actor_kind', shown.actor_kind, 'action', shown.action,
    'outcome', shown.outcome, 'record_table', shown.record_table, 'record_id', shown.record_id,
    'patient_id', coalesce(shown.subject_id, rec.subject_id), 'purpose', shown.purpose, 'session_id', shown.session_id,
    'membership_id', shown.membership_id, 'disclosure_id', shown.disclosure_id, 'detail', shown.detail,
    'source', shown.source, 'seq', c.seq, 'hash', encode(c.hash, 'hex')
  )
  from (
    select newest.*
    from unnest(tenants) tenant
      cross join lateral (
        select *
        from audit.event e
        where e.tenant_id = tenant
          and e.user_id = person
          and (pos_at is null or (e.recorded_at, e.event_id) < (pos_at, pos_id))
          and (filter->>'outcome' is null or e.outcome = filter->>'outcome')
          and (filter->>'record_table' is null or e.record_table = filter->>'record_table')
          and (filter->>'purpose' is null or e.purpose = filter->>'purpose')
          and (filter->'action' is null or filter->'action' ? e.action)
          and (filter->>'record_id' is null or e.record_id = (filter->>'record_id')::uuid)
          and (filter->>'session_id' is null or e.session_id = (filter->>'session_id')::uuid)
          and (
            filter->>'subject_id' is null
            or e.subject_id = (filter->>'subject_id')::uuid
            or exists (
              select from tenancy.record rec
              where rec.record_id = e.record_id
                and rec.record_table = e.record_table
                and rec.tenant_id = e.tenant_id
                and rec.subject_id = (filter->>'subject_id')::uuid
            )
          )
          and (filter->>'from' is null or e.recorded_at >= (filter->>'from')::timestamptz)
          and (filter->>'to' is null or e.recorded_at < (filter->>'to')::timestamptz)
        order by e.recorded_at desc, e.event_id desc limit max_rows
      ) newest
    order by newest.recorded_at desc, newest.event_id desc limit max_rows
  ) shown
    join tenancy.tenant t on t.id = shown.tenant_id
    join tenancy.users actor on actor.id = shown.user_id
    left join audit.chain c on c.event_id = shown.event_id
    left join tenancy.record rec on rec.record_id = shown.record_id
      and rec.record_table = shown.record_table
      and rec.tenant_id = shown.tenant_id
  order by shown.recorded_at desc, shown.event_id desc;
end $$;

grant execute on function audit.user_events to ward_reviewer;
