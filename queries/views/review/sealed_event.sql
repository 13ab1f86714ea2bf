-- Events that have their place in the chain, with it.
create or replace view review.sealed_event as
  select e.event_id, e.recorded_at, e.occurred_at, e.xid, e.tenant_id, e.user_id, e.actor_kind, e.session_id,
    e.membership_id, e.disclosure_id, e.action, e.outcome, e.record_table, e.record_id, e.subject_id, e.purpose,
    e.detail, e.source, c.seq, c.hash, c.sealed_at
  from audit.event e join audit.chain c on c.recorded_at = e.recorded_at and c.event_id = e.event_id;
