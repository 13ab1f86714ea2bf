/*---
id: C02-enumeration
uuid: 5163f09d-ba02-5c3f-b3a2-2f00e7b6155c
version: 1
title: enumeration
status: stable
owner: security
author: ward
created: 2026-11-27
description: >-
  Within one minute of the clock somebody asked for many patients or ids one by one: faster than reading, as a program does that walks through a list or guesses. Ids are random here, so
  that there is no sequence to see; the pace is what tells.
tier: C
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.312(a)(1)", "164.312(b)"]
every: 1m
settle: 0s
entity: [tenant_id, actor_id]
params: {per_minute: 20}
false_positives:
  - "a list view: many patients in one ask"
  - "a rush at the desk: a dozen patients in a minute"
  - "pages of one chart: many asks, one patient"
triage: "Was it the application or something beside it? Ask what the person had open; look whether the ids were known or guessed. A script, or nobody at the keyboard: end the session and the membership first."
sla: {claim: 2bd, close: 10bd}
max_new_per_run: 500
---*/
with touched as (
  select distinct a.tenant_id, a.user_id, date_trunc('minute', a.recorded_at, 'UTC') as minute
  from review.access a
  where a.batch > :from and a.batch <= :to and a.actor_kind = 'human' and a.action = 'view'
), opened as (
  select t.tenant_id, t.user_id, t.minute, a.event_id, a.at, coalesce(a.patient_id, a.record_id) as whom, a.disclosure_id, a.known
  from touched t join review.access a on a.tenant_id = t.tenant_id and a.user_id = t.user_id and a.recorded_at >= t.minute and a.recorded_at < t.minute + interval '1 minute'
  where a.batch <= :to and a.action = 'view' and a.outcome = 'ok'
), fast as (
  select o.tenant_id, o.user_id, o.minute, count(distinct o.whom) as pace
  from opened o group by o.tenant_id, o.user_id, o.minute
  having least(count(distinct o.disclosure_id), count(distinct o.whom)) >= :per_minute::int
)
select f.tenant_id, f.user_id as actor_id, null::uuid as patient_id, min(o.at) as first_at, max(o.at) as last_at,
  format('%s asked for %s patients or ids one by one, up to %s in a minute', max(u.slug), count(distinct o.whom), max(f.pace)) as summary,
  jsonb_build_object('patients_or_ids', count(distinct o.whom), 'most_in_a_minute', max(f.pace), 'minutes', count(distinct f.minute), 'asks', count(distinct o.disclosure_id)) as facts,
  array_agg(o.event_id order by o.at) as event_ids
from fast f join opened o using (tenant_id, user_id, minute) join tenancy.users u on u.id = f.user_id
group by f.tenant_id, f.user_id
