/*---
id: F07-covering
uuid: 3705426a-582b-51f9-8ffb-be6000cf7bca
version: 1
title: covering for a colleague
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  By the roster the person stood in for a colleague at the time of the access, and the patient is that colleague's, by
  an appointment or encounter of 30 days back to 14 days ahead, or as one of the care team. The roster's row is
  somebody else's and at most two days late.
tier: B
kind: filter
severity: low
citations: ["164.502(b)", "164.506(c)(1)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3555324/"]
every: 5m
settle: 48h
params: {before_days: 30, after_days: 14, documented_days: 2}
limits:
  - "coverage that the person wrote: nobody explains themself"
  - "a patient whom the colleague does not see"
  - "coverage that was called off"
---*/
select a.tenant_id, a.user_id as actor_id, a.event_id, 'covering' as reason, null::timestamptz as valid_until
from review.staff_access a
where a.batch > :from
  and a.batch <= :to
  and exists (
    select from tenancy.coverage c join tenancy.relationship r on r.tenant_id = c.tenant_id and r.user_id = c.covered_id
    where c.tenant_id = a.tenant_id
      and c.user_id = a.user_id
      and c.author_id is distinct from a.user_id
      and c.from_at <= a.at
      and c.to_at > a.at
      and (c.void_at is null or c.void_at > a.at)
      and c.known_at <= a.at + make_interval(days => :documented_days)
      and r.patient_id = a.patient_id
      and r.author_id is distinct from a.user_id
      and r.kind in ('appointment', 'encounter', 'care_team')
      and (r.void_at is null or r.void_at > a.at)
      and r.known_at <= a.at
      and r.from_at <= a.at + make_interval(days => :after_days)
      and (
        coalesce(r.to_at, r.from_at) >= a.at - make_interval(days => :before_days)
        or r.kind = 'care_team' and r.to_at is null
      )
    offset 0
  )
