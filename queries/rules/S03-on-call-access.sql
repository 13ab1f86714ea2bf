/*---
id: S03-on-call-access
version: 1
title: on-call access taken
status: stable
owner: security
description: >-
  An on-call engineer was let into a clinic, by their own act or an administrator's. That is how it is meant to be;
  what they looked at is for a compliance officer to read afterwards.
tier: S
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(4)(ii)(B)", "164.312(b)"]
every: 20s
settle: 0s
entity: [tenant_id, actor_id]
false_positives:
  - "a reviewer's look in the same clinic: no grant of an engineer stands behind it"
  - "another grant: an auditor's or a compliance officer's is no on-call access"
triage: "Does the ticket exist, and does it explain each look? Then close as explained_operations with its number."
max_new_per_run: 500
---*/
with found as (
  select a.tenant_id, (a.detail::jsonb->>'user')::uuid as user_id, a.event_id, a.at,
    a.detail::jsonb->>'ticket' as ticket, true as taken
  from review.access a
  where a.batch > :from and a.batch <= :to and a.action = 'grant' and a.detail::jsonb->>'role' = 'on_call_engineer'
  union all
  -- an engineer's looks, for as long as such a grant can last
  select a.tenant_id, a.user_id, a.event_id, a.at, g.ticket, false
  from review.access a
    cross join lateral (
      select g.detail::jsonb->>'ticket' as ticket
      from review.access g
      where g.batch <= :to
        and g.tenant_id = a.tenant_id
        and g.recorded_at >= a.at - interval '4 hours'
        and g.recorded_at <= a.at
        and g.action = 'grant'
        and g.detail::jsonb->>'role' = 'on_call_engineer'
        and (g.detail::jsonb->>'user')::uuid = a.user_id
      limit 1
    ) g
  where a.batch > :from and a.batch <= :to and a.action in ('browse', 'open', 'search')
)
select f.tenant_id, f.user_id as actor_id, null::uuid as patient_id, min(f.at) as first_at, max(f.at) as last_at,
  format(
    '%s was on call for this clinic (%s) and looked %s times',
    max(u.slug), string_agg(distinct f.ticket, ', '), count(*) filter (where not f.taken)
  ) as summary,
  jsonb_build_object('events', count(*), 'tickets', count(distinct f.ticket)) as facts,
  array_agg(f.event_id order by f.at) as event_ids
from found f join tenancy.users u on u.id = f.user_id
group by f.tenant_id, f.user_id
