/*---
id: F04-claim
uuid: 29d55217-b2da-51e5-b7b5-53b4da4cd277
version: 1
title: a claim that one handles
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  A claim for the patient's visit was given to the person, by somebody else or by a service, within the 60 days before
  the access: payment.
tier: B
kind: filter
severity: low
citations: ["164.502(b)", "164.506(c)(3)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3555324/"]
requires: [claim]
every: 5m
settle: 48h
params: {billing_days: 60, carried_days: 7}
limits:
  - "a claim that the person made: nobody explains themself"
  - "a claim given after the access"
---*/
select a.tenant_id, a.user_id as actor_id, a.event_id, 'claim' as reason,
  a.at + make_interval(days => :carried_days) as valid_until
from review.staff_access a
where a.batch > :from
  and a.batch <= :to
  and exists (
    select from tenancy.relationship r
    where r.tenant_id = a.tenant_id
      and r.patient_id = a.patient_id
      and r.user_id = a.user_id
      and r.kind = 'claim'
      and r.author_id is distinct from a.user_id
      and (r.void_at is null or r.void_at > a.at)
      and r.from_at between a.at - make_interval(days => :billing_days) and a.at
    offset 0
  )
