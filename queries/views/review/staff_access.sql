-- What filters explain and tier B asks about: a member of the staff reached a record of a patient of the clinic. A
-- portal identity reaches one patient, and what else it asks for is denied; what was refused or belongs to nobody
-- showed nothing.
create or replace view review.staff_access as
  select a.*, m.role
  from review.access a left join tenancy.membership m on m.id = a.membership_id
  where a.actor_kind = 'human'
    and a.outcome = 'ok'
    and a.action in ('view', 'modify', 'export')
    and a.patient_id is not null
    and a.known
    and m.patient_id is null;

grant select on review.staff_access to ward_rule, ward_worker;
