/*---
id: B06-own-record
uuid: 1f604539-0ac5-50f7-89aa-307b95a86ddc
version: 1
title: own record, or a relative's
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  A member of the staff used their access at work to open their own record at the clinic, or that of somebody in their
  family whom the clinic has linked to them. Often against policy, seldom a
  breach; the portal is the way to one's own record.
tier: B
kind: flag
severity: low
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(1)(ii)(C)"]
requires: [person_link]
every: 1h
settle: 0s
reconcile: 168h
entity: [tenant_id, actor_id]
false_positives:
  - "the portal: a portal identity reaches its own patient, and that is what it is for"
  - "a namesake: the link is by record, not by name"
triage: >-
  What does your policy say about one's own record? The first time: tell them of the portal, close as
  policy_violation_no_breach if it is one. A relative's record against their will is another matter: ask.
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s (%s) opened their own record or a relative''s, %s times',
    max(u.slug), coalesce(max(a.role), 'no role'), count(*)
  ) as summary,
  jsonb_build_object(
    'accesses', count(*), 'records', count(distinct a.record_id), 'patients', count(distinct a.patient_id),
    'tables', count(distinct a.record_table)
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from review.staff_access a
  join review.person_link k on k.tenant_id = a.tenant_id and k.user_id = a.user_id and k.patient_id = a.patient_id
  join tenancy.users u on u.id = a.user_id
where a.batch > :from and a.batch <= :to
group by a.tenant_id, a.user_id
