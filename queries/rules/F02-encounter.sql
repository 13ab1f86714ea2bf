/*---
id: F02-encounter
uuid: 24db9b9b-f0d3-52cb-ab5b-1b87d5953691
version: 1
title: an encounter of one's own
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  The person saw the patient: an encounter that somebody else recorded, from two days after the access (documentation
  is late) to 30 days before it.
tier: B
kind: filter
severity: low
citations: ["164.502(b)", "164.506(c)(1)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3555324/"]
requires: [encounter]
every: 5m
settle: 48h
params: {before_days: 30, documented_days: 2, carried_days: 7}
limits:
  - "an encounter that the person recorded: nobody explains themself"
  - "an encounter documented too late: more than two days after the access"
---*/
select a.tenant_id, a.user_id as actor_id, a.event_id, 'encounter' as reason,
  a.at + make_interval(days => :carried_days) as valid_until
from review.staff_access a
where a.batch > :from
  and a.batch <= :to
  and exists (
    select from tenancy.relationship r
    where r.tenant_id = a.tenant_id
      and r.patient_id = a.patient_id
      and r.user_id = a.user_id
      and r.kind = 'encounter'
      and r.author_id is distinct from a.user_id
      and (r.void_at is null or r.void_at > a.at)
      and r.known_at <= a.at + make_interval(days => :documented_days)
      and r.from_at <= a.at + make_interval(days => :documented_days)
      and coalesce(r.to_at, r.from_at) >= a.at - make_interval(days => :before_days)
    offset 0
  )
