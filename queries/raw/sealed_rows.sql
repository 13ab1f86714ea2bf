-- The sealed rows of some tenants, in the order of tenant and chain, as COPY sends them: $1 rows of tenant, first and last seq, $2 and $3 the least and greatest
-- recorded_at among all of them. COPY takes no parameters, so the values are written in; the times keep the planner to the months that hold the events.
copy (
  select c.tenant_id, c.seq, c.sealed_at, c.nonce, c.hash, e.event_id, e.recorded_at, e.occurred_at, e.user_id, e.actor_kind, e.session_id, e.membership_id, e.disclosure_id, e.action,
    e.outcome, e.record_table, e.record_id, e.subject_id, e.purpose, e.detail, e.source
  from (values $1) v (tenant_id, first_seq, last_seq)
    join audit.chain c on c.tenant_id = v.tenant_id and c.seq between v.first_seq and v.last_seq
    join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
  where e.recorded_at between $2 and $3
  order by c.tenant_id, c.seq
) to stdout (format binary)
