/*---
id: S01-random-sample
uuid: 0c96942f-e1cd-5860-ae9e-4f6fa832e415
version: 1
title: random sample
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  Some accesses of each clinic and week, drawn by chance from all of them, those that care explains too. What they
  turn out to be says how much the other rules miss. The draw goes by the
  hash of the event in the chain, which has 16 random bytes in it: nobody could know before, and a run over the same
  events draws the same.
tier: S
kind: flag
severity: low
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(8)"]
every: 168h
settle: 0s
entity: [tenant_id]
params: {per_week: 10}
false_positives:
  - "what reached no patient: refusals, sign-ins and ids of nobody are not drawn"
  - "a program's run: services are held against their lists (A05)"
triage: >-
  Of each: what was the access for? Ask the person, or read the chart's visit. Close with how many of them nothing
  explains; more than none says that a rule is missing.
max_new_per_run: 2000
---*/
with drawn as (
  select a.tenant_id, a.event_id, a.at, a.user_id, a.patient_id,
    row_number() over (partition by a.tenant_id order by a.hash) as nth,
    count(*) over (partition by a.tenant_id) as accesses,
    greatest(ceil(extract(epoch from max(a.sealed_at) over () - min(a.sealed_at) over ()) / 604800), 1) as weeks
  from review.access a
  where a.batch > :from
    and a.batch <= :to
    and a.actor_kind = 'human'
    and a.outcome = 'ok'
    and a.action in ('view', 'create', 'modify', 'delete', 'export')
    and a.patient_id is not null
    and a.known
)
select d.tenant_id, null::uuid as actor_id, null::uuid as patient_id, min(d.at) as first_at, max(d.at) as last_at,
  format(
    '%s of %s accesses, drawn by chance: %s people, %s patients',
    count(*), max(d.accesses), count(distinct d.user_id), count(distinct d.patient_id)
  ) as summary,
  jsonb_build_object(
    'drawn', count(*), 'accesses', max(d.accesses), 'people', count(distinct d.user_id), 'weeks', max(d.weeks)
  ) as facts,
  array_agg(d.event_id order by d.at) as event_ids
from drawn d
where d.nth <= :per_week::int * d.weeks
group by d.tenant_id
