/*---
id: B10-vip
uuid: a14c1f86-522c-5d5d-bb21-10e3375b040b
version: 1
title: a patient who is watched over
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  Somebody opened the record of a patient whom the clinic asked to watch over, and nothing explains it: one such
  access is enough, where among other patients a pattern is needed.
tier: B
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)", "164.530(c)"]
related: [{id: B05-crowd, type: similar}]
requires: [vip, appointment, encounter]
every: 15m
settle: 48h
reconcile: 168h
entity: [tenant_id, actor_id]
false_positives:
  - "a large team: each of them with a row of care, or covering"
  - "a patient who is not watched over: B01 has the access"
triage: >-
  Tell whoever looks after this patient's privacy today, not at the end of the review. Who else looked (B05)? Ask the
  person what for; ask them not to talk about it.
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s (%s) opened the records of %s %s watched over, %s times',
    max(u.slug), coalesce(max(a.role), 'no role'), count(distinct a.patient_id),
    case when count(distinct a.patient_id) = 1 then 'patient who is' else 'patients who are' end,
    count(*)
  ) as summary,
  jsonb_build_object(
    'accesses', count(*), 'patients', count(distinct a.patient_id), 'tables', count(distinct a.record_table)
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from review.unexplained a
  join review.trait v on v.tenant_id = a.tenant_id and v.patient_id = a.patient_id and v.input = 'vip'
  join tenancy.users u on u.id = a.user_id
where a.batch > :from and a.batch <= :to
group by a.tenant_id, a.user_id
