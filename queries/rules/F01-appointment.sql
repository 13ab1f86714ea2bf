/*---
id: F01-appointment
uuid: e5c0459f-2aae-5372-9cd4-8fc0bd6028ec
version: 1
title: an appointment of one's own
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  The person has, or had, an appointment with the patient that somebody else booked before the access, 30 days back to
  14 days ahead. A cancelled one explains what was done until a day after.
tier: B
kind: filter
severity: low
citations: ["164.502(b)", "164.506(c)(1)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3555324/"]
requires: [appointment]
every: 5m
settle: 48h
params: {before_days: 30, after_days: 14, carried_days: 7}
limits:
  - "an appointment that the person booked: nobody explains themself"
  - "an appointment that was booked after the access"
  - "a cancelled appointment: a day after it was cancelled"
---*/
select a.tenant_id, a.user_id as actor_id, a.event_id, 'appointment' as reason,
  a.at + make_interval(days => :carried_days) as valid_until
from review.staff_access a
where a.batch > :from
  and a.batch <= :to
  and exists (
    select from tenancy.relationship r
    where r.tenant_id = a.tenant_id
      and r.patient_id = a.patient_id
      and r.user_id = a.user_id
      and r.kind = 'appointment'
      and r.author_id is distinct from a.user_id
      and r.known_at <= a.at
      and (r.void_at is null or r.void_at > a.at - interval '1 day')
      and r.from_at between a.at - make_interval(days => :before_days) and a.at + make_interval(days => :after_days)
    offset 0
  )
