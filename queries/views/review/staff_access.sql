-- What filters explain and tier B asks about: a member of the staff reached a record of a patient of the clinic. A
-- portal identity reaches one patient, and what else it asks for is denied; what was refused or belongs to nobody
-- showed nothing.
create or replace view review.staff_access as
  select a.batch, a.seq, a.hash, a.sealed_at, a.event_id, a.tenant_id, a.user_id, a.actor_kind, a.session_id,
    a.membership_id, a.action, a.outcome, a.record_table, a.record_id, a.patient_id, a.known, a.purpose, a.detail, a.at,
    a.recorded_at, a.disclosure_id, a.source, m.role
  from review.access a left join tenancy.membership m on m.id = a.membership_id
  where a.actor_kind = 'human'
    and a.outcome = 'ok'
    and a.action in ('view', 'modify', 'export')
    and a.patient_id is not null
    and a.known
    and m.patient_id is null;

grant select on review.staff_access to ward_rule, ward_worker;
