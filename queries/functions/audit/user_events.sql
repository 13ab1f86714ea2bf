-- One page of them, newest first, before (at, id).
create or replace function audit.user_events(
  pos_at timestamptz default null, pos_id bigint default null, max_rows int default 200
)
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewing();
  f jsonb;
  u uuid;
  tenants uuid[];
begin
  if max_rows is null or max_rows not between 1 and 5000 then
    raise exception 'a page is 1 to 5,000 rows' using errcode = '22023';
  end if;
  select array_agg(a.tenant_id), min(a.ids[1]::text)::uuid, (jsonb_agg(a.payload->'filter'))->0 into tenants, u, f
  from tenancy.asked('events of a user') a
  where tenancy.reaches(a.user_id, a.tenant_id, 'open');
  if tenants is null then return; end if;
  return query select jsonb_build_object(
    'tenant', t.slug, 'event_id', e.event_id, 'recorded_at', e.recorded_at, 'occurred_at', e.occurred_at,
    'actor', s.slug, 'actor_id', e.user_id, 'actor_kind', e.actor_kind, 'action', e.action, 'outcome', e.outcome,
    'record_table', e.record_table, 'record_id', e.record_id, 'patient_id', coalesce(e.subject_id, r.subject_id),
    'purpose', e.purpose, 'session_id', e.session_id, 'membership_id', e.membership_id,
    'disclosure_id', e.disclosure_id, 'detail', e.detail, 'source', e.source, 'seq', c.seq,
    'hash', encode(c.hash, 'hex')
  )
  from (
    select x.*
    from unnest(tenants) n
      cross join lateral (
        select *
        from audit.event e
        where e.tenant_id = n
          and e.user_id = u
          and (pos_at is null or (e.recorded_at, e.event_id) < (pos_at, pos_id))
          and (f->>'outcome' is null or e.outcome = f->>'outcome')
          and (f->>'record_table' is null or e.record_table = f->>'record_table')
          and (f->>'purpose' is null or e.purpose = f->>'purpose')
          and (f->'action' is null or f->'action' ? e.action)
          and (f->>'record_id' is null or e.record_id = (f->>'record_id')::uuid)
          and (f->>'session_id' is null or e.session_id = (f->>'session_id')::uuid)
          and (
            f->>'subject_id' is null
            or e.subject_id = (f->>'subject_id')::uuid
            or exists (
              select from tenancy.record r
              where r.record_id = e.record_id
                and r.record_table = e.record_table
                and r.tenant_id = e.tenant_id
                and r.subject_id = (f->>'subject_id')::uuid
            )
          )
          and (f->>'from' is null or e.recorded_at >= (f->>'from')::timestamptz)
          and (f->>'to' is null or e.recorded_at < (f->>'to')::timestamptz)
        order by e.recorded_at desc, e.event_id desc limit max_rows
      ) x
    order by x.recorded_at desc, x.event_id desc limit max_rows
  ) e
    join tenancy.tenant t on t.id = e.tenant_id
    join tenancy.users s on s.id = e.user_id
    left join audit.chain c on c.event_id = e.event_id
    left join tenancy.record r on r.record_id = e.record_id
      and r.record_table = e.record_table
      and r.tenant_id = e.tenant_id
  order by e.recorded_at desc, e.event_id desc;
end $$;

grant execute on function audit.user_events to ward_reviewer;
