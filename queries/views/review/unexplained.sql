-- What remains. A flag that reads it, or review.explanation, never reads beyond where every enabled filter has been.
-- OFFSET 0, here and in the filters: asked for each access by its key. As a join it was a pass over the whole history.
create or replace view review.unexplained as
  select sa.batch, sa.seq, sa.hash, sa.sealed_at, sa.event_id, sa.tenant_id, sa.user_id, sa.actor_kind, sa.session_id,
    sa.membership_id, sa.action, sa.outcome, sa.record_table, sa.record_id, sa.patient_id, sa.known, sa.purpose,
    sa.detail, sa.at, sa.recorded_at, sa.disclosure_id, sa.source, sa.role
  from review.staff_access sa
  where not exists (select from review.explanation ex where ex.event_id = sa.event_id offset 0);

grant select on review.unexplained to ward_rule, ward_worker;
