/*---
id: F90-repeat-access
uuid: 0f68aeec-7188-5728-b2d2-ec735743d673
version: 1
title: a repeat of an explained access
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  The same person reached the same patient before, that access was explained by itself, and its explanation is handed
  on for some days. An access that was not explained hands nothing on, nor does one that inherits.
tier: B
kind: filter
severity: low
citations: ["164.502(b)", "164.506(c)(1)"]
references: ["https://pmc.ncbi.nlm.nih.gov/articles/PMC3555324/"]
every: 5m
settle: 48h
limits:
  - "a repeat of what nothing explains: the second look of a snoop"
  - "another patient of the same person"
---*/
select a.tenant_id, a.user_id as actor_id, a.event_id, e.reason, null::timestamptz as valid_until,
  e.event_id as inherited_from
from review.staff_access a
  cross join lateral (
    select x.event_id, x.reason
    from review.explanation x
    where x.tenant_id = a.tenant_id
      and x.user_id = a.user_id
      and x.patient_id = a.patient_id
      and x.at < a.at
      and x.valid_until >= a.at
    order by x.at desc, x.filter limit 1
  ) e
where a.batch > :from and a.batch <= :to
  and not exists (select from review.explanation o where o.event_id = a.event_id and o.inherited_from is null offset 0)
