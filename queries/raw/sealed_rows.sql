-- The sealed rows of one tenant, in the order of the chain, as COPY sends them: $1 tenant, $2 and $3 first and last seq, $4 and $5 the least and greatest recorded_at
-- among them. COPY takes no parameters, so the values are written in; the times keep the planner to the months that hold the events.
copy (
  select c.seq, c.sealed_at, c.nonce, c.hash, e.event_id, e.recorded_at, e.occurred_at, e.user_id, e.actor_kind, e.session_id, e.membership_id, e.disclosure_id, e.action, e.outcome,
    e.record_table, e.record_id, e.subject_id, e.purpose, e.detail, e.source
  from audit.chain c join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
  where c.tenant_id = $1 and c.seq between $2 and $3 and e.recorded_at between $4 and $5
  order by c.seq
) to stdout (format binary)
