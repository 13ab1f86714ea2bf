-- One page of one clinic's events, as audit.open leased them. older: those before (pos_at, pos_id), newest first;
-- otherwise those after it, oldest first. A null position is the newest (or oldest) end.
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
  ask tenancy.disclosure := tenancy.the_ask('events');
  filter jsonb := ask.payload->'filter';
  condition text := '';
  field text;
begin
  if max_rows not between 1 and 5000 then
    raise exception 'a page of events has 1 to 5,000 rows, not %', max_rows using errcode = '22023';
  end if;
  foreach field in array array['outcome', 'record_table', 'purpose'] loop
    if filter ? field then condition := condition || format(' and e.%I = %L', field, filter->>field); end if;
  end loop;
  foreach field in array array['record_id', 'session_id'] loop
    if filter ? field then condition := condition || format(' and e.%I = %L::uuid', field, filter->>field); end if;
  end loop;
  if filter ? 'subject_id' then
    condition := condition || format(
      ' and (e.subject_id = %1$L::uuid or exists (select from tenancy.record rec where rec.record_id = e.record_id and '
        'rec.record_table = e.record_table and rec.tenant_id = e.tenant_id and rec.subject_id = %1$L::uuid))',
      filter->>'subject_id'
    );
  end if;
  if filter ? 'actor_ids' then
    condition := condition || format(' and e.user_id = any (%L::uuid[])', translate(filter->>'actor_ids', '[]"', '{}'));
  end if;
  if filter ? 'action' then
    condition := condition
      || format(' and e.action = any (array(select jsonb_array_elements_text(%L::jsonb)))', filter->>'action');
  end if;
  if filter ? 'event_ids' then
    condition := condition || format(
      ' and e.event_id = any (array(select value::bigint from jsonb_array_elements_text(%L::jsonb)))',
      filter->>'event_ids'
    );
  end if;
  if filter ? 'from' then
    condition := condition || format(' and e.recorded_at >= %L::timestamptz', filter->>'from');
  end if;
  if filter ? 'to' then condition := condition || format(' and e.recorded_at < %L::timestamptz', filter->>'to'); end if;
  if pos_at is not null then
    condition := condition || format(
      ' and (e.recorded_at, e.event_id) %s (%L::timestamptz, %s)', case when older then '<' else '>' end, pos_at, pos_id
    );
  end if;
  return query execute format(
    'select e.event_id, e.recorded_at, e.occurred_at, u.slug, e.user_id, e.actor_kind::text, e.action::text,
      e.outcome::text,
      e.record_table, e.record_id, coalesce(e.subject_id, rec.subject_id),
      e.purpose::text, e.session_id, e.membership_id, e.disclosure_id, e.detail, e.source::text, c.seq, c.hash
    from (
      select * from audit.event e where e.tenant_id = %1$L%2$s
      order by e.recorded_at %3$s, e.event_id %3$s limit %4$s
    ) e
      left join tenancy.users u on u.id = e.user_id left join audit.chain c on c.event_id = e.event_id
      left join tenancy.record rec on rec.record_id = e.record_id
        and rec.record_table = e.record_table and rec.tenant_id = e.tenant_id
    order by e.recorded_at %3$s, e.event_id %3$s',
    ask.tenant_id, condition, case when older then 'desc' else 'asc' end, max_rows
  );
end $$;

grant execute on function audit.events to ward_reviewer;
