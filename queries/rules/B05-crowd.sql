/*---
id: B05-crowd
uuid: ae92a26a-a3bb-5b75-8d11-03734d5a8392
version: 1
title: a crowd on one patient
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  Within 24 hours several people of a clinic opened one patient, and nothing explains any of these accesses: somebody
  known, something in the news, a colleague in the waiting room. No list of
  famous patients is needed to see it.
tier: B
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)", "164.530(c)"]
related: [{id: B01-no-treatment-relationship, type: similar}]
requires: [appointment, encounter]
every: 1h
settle: 48h
reconcile: 168h
entity: [tenant_id, patient_id]
params: {people: 3}
false_positives:
  - "an emergency or a transfer: those who took part have a row of care, and the others are few"
  - "a case conference: covering or care team explains who was there"
  - "one person who looks again and again: that is B01"
triage: >-
  What is known about the patient outside the clinic? Line the people up in order of time: who was first, and do they
  sit together? One conversation with the team does more than five letters.
max_new_per_run: 500
---*/
with fresh as (
  select a.tenant_id, a.patient_id, a.user_id, a.event_id, a.at
  from review.unexplained a
  where a.batch > :from and a.batch <= :to
),
around as (
  -- and what was found unexplained around them: an access is recorded within a day of the others'
  select f.tenant_id, min(f.at) - interval '24 hours' as first_at, max(f.at) + interval '24 hours' as last_at
  from fresh f
  group by f.tenant_id
),
accesses as (
  select a.tenant_id, a.patient_id, a.user_id, a.event_id, a.at
  from around r
    join review.unexplained a on a.tenant_id = r.tenant_id
      and a.recorded_at >= r.first_at
      and a.recorded_at <= r.last_at
  where a.batch <= :to
),
crowds as (
  select a.tenant_id, a.patient_id, a.at as begins
  from accesses a
    join accesses o on o.tenant_id = a.tenant_id
      and o.patient_id = a.patient_id
      and o.at >= a.at
      and o.at <= a.at + interval '24 hours'
  group by a.tenant_id, a.patient_id, a.at having count(distinct o.user_id) >= :people::int
)
select c.tenant_id, null::uuid as actor_id, c.patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s people opened one patient within a day, and nothing explains it: %s',
    count(distinct a.user_id), string_agg(distinct u.slug, ', ')
  ) as summary,
  jsonb_build_object('people', count(distinct a.user_id), 'accesses', count(distinct a.event_id)) as facts,
  array_agg(distinct a.event_id) as event_ids
from crowds c
  join accesses a on a.tenant_id = c.tenant_id
    and a.patient_id = c.patient_id
    and a.at >= c.begins
    and a.at <= c.begins + interval '24 hours'
  join tenancy.users u on u.id = a.user_id
group by c.tenant_id, c.patient_id
