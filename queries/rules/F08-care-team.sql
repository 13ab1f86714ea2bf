/*---
id: F08-care-team
uuid: 25f61daf-a153-5512-8f8a-95600e4e7409
version: 1
title: one of the care team
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  The person was of the patient's care team at the time of the access, by a row that somebody else wrote before it.
tier: B
kind: filter
severity: low
citations: ["164.502(b)", "164.506(c)(1)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3555324/"]
requires: [care_team]
every: 5m
settle: 48h
limits:
  - "a team that the person joined by their own hand: nobody explains themself"
  - "a team that the person had left"
---*/
select a.tenant_id, a.user_id as actor_id, a.event_id, 'care_team' as reason, null::timestamptz as valid_until
from review.staff_access a
where a.batch > :from
  and a.batch <= :to
  and exists (
    select from tenancy.relationship r
    where r.tenant_id = a.tenant_id
      and r.patient_id = a.patient_id
      and r.user_id = a.user_id
      and r.kind = 'care_team'
      and r.author_id is distinct from a.user_id
      and r.known_at <= a.at
      and (r.void_at is null or r.void_at > a.at)
      and r.from_at <= a.at
      and (r.to_at is null or r.to_at >= a.at)
    offset 0
  )
