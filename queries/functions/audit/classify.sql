-- Finds out, from keys alone, which records that were asked for and shown to nobody belong to another clinic or
-- patient, or to nobody, and writes a denied event for each. Goes on where it stopped; returns how many it wrote.
create or replace function audit.classify()
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  last bigint;
  upto bigint;
  denied int;
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
        when own.record_id is not null then 'the record belongs to another patient'
        when other.record_id is not null then 'the record belongs to another clinic'
        else 'no such record'
      end
    )::text
  from audit.chain c
    join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
    left join lateral (
      select elsewhere.record_id
      from tenancy.record elsewhere
      where elsewhere.record_id = e.record_id
        and elsewhere.record_table = e.record_table
        and elsewhere.tenant_id <> e.tenant_id
      limit 1
    ) other on true
    left join tenancy.record own on own.record_id = e.record_id
      and own.record_table = e.record_table
      and own.tenant_id = e.tenant_id
    left join tenancy.membership m on m.id = e.membership_id
  where c.batch > last
    and c.batch <= upto
    and e.action in ('view', 'export')
    and e.outcome = 'ok'
    and e.record_id is not null
    and e.source = 'ward'
    and (own.record_id is null or m.patient_id is not null and own.subject_id is distinct from m.patient_id);
  get diagnostics denied = row_count;
  update audit.classified set batch = upto;
  return denied;
end $$;

grant execute on function audit.classify to ward_worker;
