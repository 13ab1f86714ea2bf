create or replace function audit.classify()
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  last bigint;
  upto bigint;
  n int;
begin
  select batch into last from audit.classified for update;
  select batch into upto from audit.seal_state;
  if upto <= last then return 0; end if;
  insert into audit.event (
    tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, outcome, record_table, record_id,
    purpose, detail
  )
  select e.tenant_id, e.user_id, e.actor_kind, e.session_id, e.membership_id, e.disclosure_id, e.action, 'denied',
    e.record_table, e.record_id, e.purpose,
    jsonb_build_object(
      'event', e.event_id,
      'reason', case
        when h.record_id is not null then 'the record belongs to another patient'
        when o.record_id is not null then 'the record belongs to another clinic'
        else 'no such record'
      end
    )::text
  from audit.chain c
    join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
    left join lateral (
      select r.record_id
      from tenancy.record r
      where r.record_id = e.record_id and r.record_table = e.record_table and r.tenant_id <> e.tenant_id
      limit 1
    ) o on true
    left join tenancy.record h on h.record_id = e.record_id
      and h.record_table = e.record_table
      and h.tenant_id = e.tenant_id
    left join tenancy.membership m on m.id = e.membership_id
  where c.batch > last
    and c.batch <= upto
    and e.action in ('view', 'export')
    and e.outcome = 'ok'
    and e.record_id is not null
    and e.source = 'ward'
    and (h.record_id is null or m.patient_id is not null and h.subject_id is distinct from m.patient_id);
  get diagnostics n = row_count;
  update audit.classified set batch = upto;
  return n;
end $$;

grant execute on function audit.classify to ward_worker;
