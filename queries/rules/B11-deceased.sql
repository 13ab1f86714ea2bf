/*---
id: B11-deceased
uuid: af38bc6b-cea9-5407-af91-e81deb170a79
version: 1
title: long after a patient's death
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  Somebody other than billing and the records office reached the record of a patient who had been dead for more than
  thirty days. The Privacy Rule protects it for fifty years.
tier: B
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)", "164.502(f)"]
requires: [deceased_at]
every: 1h
settle: 0s
reconcile: 168h
entity: [tenant_id, actor_id]
params: {after_days: 30}
false_positives:
  - "the last notes: certificate, coding and letters within thirty days"
  - "billing and the records office: claims and requests of the estate come for years"
triage: >-
  A letter from the family, a court, a registry, a case review? Then its number. Else ask what the chart was opened
  for: a death that people talk about brings readers.
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s (%s) reached %s %s %s times, up to %s days after death',
    max(u.slug), coalesce(max(a.role), 'no role'), count(distinct a.patient_id),
    case when count(distinct a.patient_id) = 1 then 'patient' else 'patients' end,
    count(*), extract(day from max(a.at - d.at))
  ) as summary,
  jsonb_build_object(
    'accesses', count(*), 'patients', count(distinct a.patient_id), 'days_after', extract(day from max(a.at - d.at))
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from review.staff_access a
  join review.trait d on d.tenant_id = a.tenant_id and d.patient_id = a.patient_id and d.input = 'deceased_at'
  join tenancy.users u on u.id = a.user_id
where a.batch > :from
  and a.batch <= :to
  and d.at < a.at - make_interval(days => :after_days)
  and coalesce(a.role not in ('billing', 'records'), true)
group by a.tenant_id, a.user_id
