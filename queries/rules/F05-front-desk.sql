/*---
id: F05-front-desk
uuid: d9bb76dc-2f76-5595-902e-f6bfcc0e21c0
version: 1
title: the desk around an appointment
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  A member of the front desk reached a patient who has an appointment with anybody of the clinic, from a week ago to
  30 days ahead, known an hour after the access at the latest: booking and cancelling are the desk's work.
tier: B
kind: filter
severity: low
citations: ["164.502(b)", "164.506(c)(4)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3555324/"]
requires: [appointment]
every: 5m
settle: 48h
params: {before_days: 30, carried_days: 1}
limits:
  - "an appointment known too late: more than an hour after the access"
  - "another role: a clinician's access is not explained by a colleague's appointment"
---*/
select a.tenant_id, a.user_id as actor_id, a.event_id, 'front_desk' as reason,
  a.at + make_interval(days => :carried_days) as valid_until
from review.staff_access a
where a.batch > :from
  and a.batch <= :to
  and a.role = 'front_desk'
  and exists (
    select from tenancy.relationship r
    where r.tenant_id = a.tenant_id
      and r.patient_id = a.patient_id
      and r.kind = 'appointment'
      and r.known_at <= a.at + interval '1 hour'
      and r.from_at between a.at - interval '7 days' and a.at + make_interval(days => :before_days)
    offset 0
  )
