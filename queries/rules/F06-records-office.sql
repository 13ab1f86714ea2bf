/*---
id: F06-records-office
uuid: f4dd09d4-1e0f-5cdf-9c48-7e52a6c11654
version: 1
title: a chart audit of the records office
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  A member of the records office, for the purpose operations, reached a patient whose visit ended within the 45 days
  before.
tier: B
kind: filter
severity: low
citations: ["164.502(b)", "164.506(c)(4)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3555324/"]
requires: [encounter]
every: 5m
settle: 48h
params: {audit_days: 45}
limits:
  - "another purpose: treatment is not the records office's"
  - "a visit that has not ended"
---*/
select a.tenant_id, a.user_id as actor_id, a.event_id, 'chart_audit' as reason, null::timestamptz as valid_until
from review.staff_access a
where a.batch > :from and a.batch <= :to and a.role = 'records' and a.purpose = 'operations' and exists (
  select from tenancy.relationship r
  where r.tenant_id = a.tenant_id and r.patient_id = a.patient_id and r.kind = 'encounter' and r.known_at <= a.at
    and coalesce(r.to_at, r.from_at) between a.at - make_interval(days => :audit_days) and a.at
  offset 0)
