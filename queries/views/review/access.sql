-- What a rule reads: sealed events with their patient. No PHI is in it. known: the record was ever this clinic's;
-- asking for any other showed nothing.
create or replace view review.access as
  select c.batch, c.seq, c.hash, c.sealed_at, e.event_id, e.tenant_id, e.user_id, e.actor_kind, e.session_id,
    e.membership_id, e.action, e.outcome, e.record_table, e.record_id,
    coalesce(e.subject_id, rec.subject_id) as patient_id, rec.record_id is not null as known, e.purpose, e.detail,
    coalesce(e.occurred_at, e.recorded_at) as at, e.recorded_at, e.disclosure_id, e.source
  from audit.chain c
    join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
    -- OFFSET 0: looked up for each event by its key. As a join, it was a pass over all records where the planner knew
    -- too little
    left join lateral (
      select rec.record_id, rec.subject_id
      from tenancy.record rec
      where rec.record_id = e.record_id and rec.record_table = e.record_table and rec.tenant_id = e.tenant_id
      offset 0
    ) rec on true;

grant select on review.access to ward_rule, ward_worker;
