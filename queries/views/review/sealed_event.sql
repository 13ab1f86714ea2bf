-- Events that have their place in the chain, with it.
create or replace view review.sealed_event as
  select e.*, c.seq, c.hash, c.sealed_at
  from audit.event e join audit.chain c on c.recorded_at = e.recorded_at and c.event_id = e.event_id;
