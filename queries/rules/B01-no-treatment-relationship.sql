/*---
id: B01-no-treatment-relationship
uuid: ccc8557d-6047-59e0-970f-0171fc6306ba
version: 2
title: no relationship
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  A member of the staff reached a patient, and no filter explains it: no appointment, encounter, message or claim of
  their own that somebody else wrote, no coverage or care
  team, no visit that their role has a part in, and no earlier access that one of these explained.
tier: B
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)", "164.514(d)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC5977720/"]
requires: [appointment, encounter]
every: 5m
settle: 48h
reconcile: 168h
entity: [tenant_id, actor_id]
false_positives:
  - "a covering colleague: the covering appointment or encounter, written by somebody else, or the roster explains it"
  - "billing after the visit: the claim explains it"
  - "front desk around an appointment"
  - "a request of the patient to the records office"
triage: >-
  Open the evidence, see what explained the person's other accesses, look at the on-call roster of that day, ask the
  person's manager what the access was for.
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s (%s) reached %s %s %s times with nothing on record that connects them',
    max(u.slug), coalesce(max(a.role), 'no role'), count(distinct a.patient_id),
    case when count(distinct a.patient_id) = 1 then 'patient' else 'patients' end,
    count(*)
  ) as summary,
  jsonb_build_object(
    'accesses', count(*), 'patients', count(distinct a.patient_id), 'tables', count(distinct a.record_table)
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from review.unexplained a join tenancy.users u on u.id = a.user_id
where a.batch > :from and a.batch <= :to
group by a.tenant_id, a.user_id
