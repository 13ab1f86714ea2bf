-- What remains. A flag that reads it, or review.explanation, never reads beyond where every enabled filter has been.
-- OFFSET 0, here and in the filters: asked for each access by its key. As a join it was a pass over the whole history.
create or replace view review.unexplained as
  select a.batch, a.seq, a.hash, a.sealed_at, a.event_id, a.tenant_id, a.user_id, a.actor_kind, a.session_id,
    a.membership_id, a.action, a.outcome, a.record_table, a.record_id, a.patient_id, a.known, a.purpose, a.detail, a.at,
    a.recorded_at, a.disclosure_id, a.source, a.role
  from review.staff_access a
  where not exists (select from review.explanation x where x.event_id = a.event_id offset 0);

grant select on review.unexplained to ward_rule, ward_worker;
