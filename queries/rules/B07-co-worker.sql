/*---
id: B07-co-worker
uuid: ac07d205-24c8-5535-b552-fd66c6358c80
version: 1
title: a co-worker's record
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  A member of the staff opened the record of a colleague of the same clinic, or of a colleague's relative, and nothing
  explains it.
tier: B
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.402", "164.502(b)"]
related: [{id: B01-no-treatment-relationship, type: similar}]
requires: [person_link, appointment, encounter]
every: 1h
settle: 48h
reconcile: 168h
entity: [tenant_id, actor_id]
false_positives:
  - "staff who are real patients: the appointment with whoever treats them explains it"
  - "one's own record: that is B06"
  - "a former colleague: the membership was over; B01 has the access"
triage: >-
  Do the two work together? Do not ask the colleague first. The supervisor knows whether there was a reason; without
  one it is an impermissible use, whatever the curiosity: four factors.
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s (%s) opened the records of %s %s, %s times',
    max(u.slug), coalesce(max(a.role), 'no role'), count(distinct a.patient_id),
    case when count(distinct a.patient_id) = 1 then 'co-worker' else 'co-workers' end,
    count(*)
  ) as summary,
  jsonb_build_object(
    'accesses', count(*), 'co_workers', count(distinct a.patient_id), 'tables', count(distinct a.record_table)
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from review.unexplained a join tenancy.users u on u.id = a.user_id
where a.batch > :from
  and a.batch <= :to
  and not exists (
    select from review.person_link o
    where o.tenant_id = a.tenant_id and o.patient_id = a.patient_id and o.user_id = a.user_id
  )
  and exists (
    select from review.person_link k join tenancy.membership m on m.tenant_id = k.tenant_id and m.user_id = k.user_id
    where k.tenant_id = a.tenant_id
      and k.patient_id = a.patient_id
      and m.patient_id is null
      and coalesce(m.terminated_at > a.at, true)
  )
group by a.tenant_id, a.user_id
