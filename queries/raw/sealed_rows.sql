-- The sealed rows of some tenants, in the order in which the tenants are named and of the chain, as COPY sends them: $1
-- rows of tenant, first and last seq, $2 and $3 the least and greatest recorded_at among all of them. COPY takes no
-- parameters, so the values are written in; the times keep the planner to the months that hold the events.
-- Each row looks its event up (offset 0 leaves no other plan): the first rows are sent at once, nothing is sorted, and
-- a tenant of few rows does not cost a scan of the month.
copy (
  select c.tenant_id, c.seq, c.sealed_at, c.nonce, c.hash, e.event_id, e.recorded_at, e.occurred_at, e.user_id,
    e.actor_kind, e.session_id, e.membership_id, e.disclosure_id, e.action, e.outcome, e.record_table, e.record_id,
    e.subject_id, e.purpose, e.detail, e.source
  from (values $1) v (tenant_id, first_seq, last_seq)
    cross join lateral (
      select *
      from audit.chain c
      where c.tenant_id = v.tenant_id and c.seq between v.first_seq and v.last_seq
      order by c.seq offset 0
    ) c
    cross join lateral (
      select *
      from audit.event e
      where e.recorded_at = c.recorded_at and e.event_id = c.event_id and e.recorded_at between $2 and $3
      offset 0
    ) e
) to stdout (format binary)
