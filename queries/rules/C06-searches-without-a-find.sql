/*---
id: C06-searches-without-a-find
uuid: c7f41942-0987-52ab-835b-036e90edb6e4
version: 2
title: repeated searches without a find
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
modified: 2026-11-28
description: >-
  On one day somebody searched again and again for patients whom the clinic does not have, and most of their searches
  found nobody: looking whether a neighbour, a colleague or a name from the
  news is treated here. A search is on record with keyed hashes of what was asked, and each record that it finds with
  an event.
tier: C
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)"]
every: 15m
settle: 15m
entity: [tenant_id, actor_id]
params: {least_misses: 10}
false_positives:
  - "registration: who is not found is registered within the quarter of an hour"
  - "a typing error: the next try finds the patient, and most searches do"
triage: >-
  What did the person do at the desk that day? Many new patients who were not registered after all are a story; none
  at all is a question. The hashes tell whether it was one name or many.
max_new_per_run: 500
---*/
with touched as (
  select distinct a.tenant_id, a.user_id, date_trunc('day', a.recorded_at, 'UTC') as day
  from review.access a
  where a.batch > :from and a.batch <= :to and a.action = 'search'
),
searches as (
  select t.tenant_id, t.user_id, t.day, a.event_id, a.at,
    exists (
      select from audit.event v
      where v.tenant_id = a.tenant_id
        and v.user_id = t.user_id
        and v.recorded_at >= a.recorded_at
        and v.recorded_at < a.recorded_at + interval '15 minutes'
        and case v.action
          when 'view' then v.disclosure_id = a.disclosure_id
          when 'create' then v.record_table = a.record_table
          else false
        end
    ) as answered
  from touched t
    join review.access a on a.tenant_id = t.tenant_id
      and a.user_id = t.user_id
      and a.recorded_at >= t.day
      and a.recorded_at < t.day + interval '1 day'
  -- a reviewer searches events
  where a.batch <= :to and a.action = 'search' and a.actor_kind = 'human' and a.record_table is not null
),
days as (
  select s.tenant_id, s.user_id, s.day, count(*) as searches, count(*) - sum(s.answered::int) as misses
  from searches s
  group by s.tenant_id, s.user_id, s.day
)
select d.tenant_id, d.user_id as actor_id, null::uuid as patient_id, min(s.at) as first_at, max(s.at) as last_at,
  format(
    '%s searched %s times in a day and found nobody %s times', max(u.slug), max(d.searches), max(d.misses)
  ) as summary,
  jsonb_build_object(
    'searches', max(d.searches), 'without_a_find', max(d.misses), 'days', count(distinct d.day)
  ) as facts,
  array_agg(s.event_id order by s.at) as event_ids
from days d join searches s using (tenant_id, user_id, day) join tenancy.users u on u.id = d.user_id
where d.misses >= :least_misses::int and d.misses > d.searches / 2 and not s.answered
group by d.tenant_id, d.user_id
