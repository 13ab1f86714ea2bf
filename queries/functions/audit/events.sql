-- One page of the leased events. older: before (at, id), newest first; otherwise after it, oldest first. A null
-- position is the newest (or oldest) end.
create or replace function audit.events(
  older boolean default true, pos_at timestamptz default null, pos_id bigint default null, max_rows int default 200
)
  returns table (
    event_id bigint,
    recorded_at timestamptz,
    occurred_at timestamptz,
    actor text,
    actor_id uuid,
    actor_kind text,
    action text,
    outcome text,
    record_table text,
    record_id uuid,
    patient_id uuid,
    purpose text,
    session_id uuid,
    membership_id uuid,
    disclosure_id uuid,
    detail text,
    source text,
    seq bigint,
    hash bytea
  )
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  a tenancy.disclosure := tenancy.the_ask('events');
  f jsonb := a.payload->'filter';
  cond text := '';
  k text;
begin
  if max_rows not between 1 and 5000 then raise exception 'a page is 1 to 5,000 rows' using errcode = '22023'; end if;
  foreach k in array array['outcome', 'record_table', 'purpose'] loop
    if f ? k then cond := cond || format(' and e.%I = %L', k, f->>k); end if;
  end loop;
  foreach k in array array['record_id', 'session_id'] loop
    if f ? k then cond := cond || format(' and e.%I = %L::uuid', k, f->>k); end if;
  end loop;
  if f ? 'subject_id' then
    cond := cond || format(
      ' and (e.subject_id = %1$L::uuid or exists (select from tenancy.record r where r.record_id = e.record_id and '
        'r.record_table = e.record_table and r.tenant_id = e.tenant_id and r.subject_id = %1$L::uuid))',
      f->>'subject_id'
    );
  end if;
  if f ? 'actor_ids' then
    cond := cond || format(' and e.user_id = any (%L::uuid[])', translate(f->>'actor_ids', '[]"', '{}'));
  end if;
  if f ? 'action' then
    cond := cond || format(' and e.action = any (array(select jsonb_array_elements_text(%L::jsonb)))', f->>'action');
  end if;
  if f ? 'event_ids' then
    cond := cond || format(
      ' and e.event_id = any (array(select x::bigint from jsonb_array_elements_text(%L::jsonb) x))', f->>'event_ids'
    );
  end if;
  if f ? 'from' then cond := cond || format(' and e.recorded_at >= %L::timestamptz', f->>'from'); end if;
  if f ? 'to' then cond := cond || format(' and e.recorded_at < %L::timestamptz', f->>'to'); end if;
  if pos_at is not null then
    cond := cond || format(
      ' and (e.recorded_at, e.event_id) %s (%L::timestamptz, %s)', case when older then '<' else '>' end, pos_at, pos_id
    );
  end if;
  return query execute format(
    'select e.event_id, e.recorded_at, e.occurred_at, u.slug, e.user_id, e.actor_kind::text, e.action::text,
      e.outcome::text,
      e.record_table, e.record_id, coalesce(e.subject_id, r.subject_id),
      e.purpose::text, e.session_id, e.membership_id, e.disclosure_id, e.detail, e.source::text, c.seq, c.hash
    from (
      select * from audit.event e where e.tenant_id = %1$L%2$s
      order by e.recorded_at %3$s, e.event_id %3$s limit %4$s
    ) e
      left join tenancy.users u on u.id = e.user_id left join audit.chain c on c.event_id = e.event_id
      left join tenancy.record r on r.record_id = e.record_id
        and r.record_table = e.record_table and r.tenant_id = e.tenant_id
    order by e.recorded_at %3$s, e.event_id %3$s',
    a.tenant_id, cond, case when older then 'desc' else 'asc' end, max_rows
  );
end $$;

grant execute on function audit.events to ward_reviewer;
