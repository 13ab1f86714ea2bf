-- The clocks that run: the earliest legal date by which somebody must be notified (review.notification_deadlines), for
-- whatever may yet turn out to be a breach, and for a breach until every notice is made.
create or replace view review.clock as
  select a.id as anomaly_id, a.tenant_id, a.discovered_on, a.due_on
  from review.anomaly a where a.due_on < 'infinity' and a.tier <> 'S' and (a.open or a.disposition = 'breach');
