/*---
id: B08-same-surname
uuid: cfee1173-9f7d-5aa2-9937-ecf35abce593
version: 1
title: a patient of the same surname
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  A member of the staff opened the record of a patient who bears their surname, and nothing explains it. A surname
  that more than a few patients of the clinic bear says nothing and is left out. The database compares keyed hashes.
tier: B
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)", "164.402", "164.502(b)"]
related: [{id: B01-no-treatment-relationship, type: similar}]
requires: [surname, appointment, encounter]
every: 1h
settle: 48h
reconcile: 168h
entity: [tenant_id, actor_id]
params: {most_alike: 3}
false_positives:
  - "a common surname: more patients bear it than most_alike"
  - "a patient whom they treat: the appointment explains it"
triage: >-
  Are they related? HR knows the emergency contact; ask the person last. Related, and no reason at work: an
  impermissible use even among spouses. A namesake: false_positive_rule.
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s (%s) opened the records of %s %s, %s times',
    max(u.slug), coalesce(max(a.role), 'no role'), count(distinct a.patient_id),
    case when count(distinct a.patient_id) = 1 then 'patient' else 'patients' end || ' of the same surname',
    count(*)
  ) as summary,
  jsonb_build_object(
    'accesses', count(*), 'patients', count(distinct a.patient_id), 'tables', count(distinct a.record_table)
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from review.unexplained a
  join tenancy.users u on u.id = a.user_id
  join review.trait mine on mine.tenant_id = a.tenant_id and mine.user_id = a.user_id and mine.input = 'surname'
  join review.trait theirs on theirs.tenant_id = a.tenant_id
    and theirs.patient_id = a.patient_id
    and theirs.input = 'surname'
    and theirs.key = mine.key
where a.batch > :from
  and a.batch <= :to
  -- what many patients of the clinic share says nothing about one of them
  and (
    select count(*)
    from (
      select from review.trait x
      where x.tenant_id = a.tenant_id and x.input = 'surname' and x.key = theirs.key and x.patient_id is not null
      limit :most_alike::int + 1
    ) alike
  ) <= :most_alike::int
group by a.tenant_id, a.user_id
