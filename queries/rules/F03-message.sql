/*---
id: F03-message
uuid: a00846d2-ee17-58b5-becf-77251d01af75
version: 1
title: a message of the patient
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  The patient wrote to the person within the 30 days before the access. What the person sent explains nothing: such
  rows are no relationship.
tier: B
kind: filter
severity: low
citations: ["164.502(b)", "164.506(c)(1)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3555324/"]
requires: [message]
every: 5m
settle: 48h
params: {before_days: 30, carried_days: 7}
limits:
  - "a message after the access"
  - "a message to a colleague"
---*/
select a.tenant_id, a.user_id as actor_id, a.event_id, 'message' as reason,
  a.at + make_interval(days => :carried_days) as valid_until
from review.staff_access a
where a.batch > :from
  and a.batch <= :to
  and exists (
    select from tenancy.relationship r
    where r.tenant_id = a.tenant_id
      and r.patient_id = a.patient_id
      and r.user_id = a.user_id
      and r.kind = 'message'
      and r.author_id is distinct from a.user_id
      and (r.void_at is null or r.void_at > a.at)
      and r.from_at between a.at - make_interval(days => :before_days) and a.at
    offset 0
  )
