/*---
id: C02-enumeration
uuid: 5163f09d-ba02-5c3f-b3a2-2f00e7b6155c
version: 2
title: enumeration
status: stable
owner: security
author: ward
created: 2026-11-27
modified: 2026-11-28
description: >-
  Somebody asked for twenty patients or ids one by one within a minute, or for ten within twenty seconds: faster than
  reading, as a program does that walks through a list or guesses. Ids are
  random here, so that there is no sequence to see; the pace is what tells.
tier: C
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.312(a)(1)", "164.312(b)"]
every: 1m
settle: 0s
entity: [tenant_id, actor_id]
params: {per_minute: 20, at_once: 10, once_seconds: 20}
false_positives:
  - "a list view: many patients in one ask"
  - "a rush at the desk: a dozen patients in a minute, five seconds each"
  - "pages of one chart: many asks, one patient"
  - "an application that asks for each row of its list: have it ask once"
triage: >-
  Was it the application or something beside it? Ask what the person had open; look whether the ids were known or
  guessed. A script, or nobody at the keyboard: end the session and the membership first.
max_new_per_run: 500
---*/
with touched as (
  select distinct a.tenant_id, a.user_id, date_trunc('minute', a.recorded_at, 'UTC') + n * interval '1 minute' as minute
  from review.access a cross join generate_series(0, 1) n
  where a.batch > :from and a.batch <= :to and a.actor_kind = 'human' and a.action = 'view'
),
opened as (
  select t.tenant_id, t.user_id, t.minute, a.event_id, a.at, coalesce(a.patient_id, a.record_id) as whom,
    a.disclosure_id
  from touched t
    join review.access a on a.tenant_id = t.tenant_id
      and a.user_id = t.user_id
      and a.recorded_at >= t.minute - interval '1 minute'
      and a.recorded_at < t.minute + interval '1 minute'
  where a.batch <= :to and a.action = 'view' and a.outcome = 'ok'
),
asks as (  -- a list is one
  select o.tenant_id, o.user_id, o.minute, (array_agg(o.whom order by o.at))[1] as whom, min(o.at) as at
  from opened o group by o.tenant_id, o.user_id, o.minute, o.disclosure_id
),
turns as (  -- a chart is one
  select k.tenant_id, k.user_id, k.minute, k.whom, min(k.at) as at
  from asks k
  group by k.tenant_id, k.user_id, k.minute, k.whom
),
paced as (
  select n.tenant_id, n.user_id, n.minute, n.at,
    count(*) over (w range between current row and interval '1 minute' following) as in_a_minute,
    count(*) over (w range between current row and make_interval(secs => :once_seconds) following) as at_once
  from turns n
  window w as (partition by n.tenant_id, n.user_id, n.minute order by n.at)
),
fast as (
  select p.tenant_id, p.user_id, p.minute, max(p.in_a_minute) as pace, min(p.at) as since,
    max(p.at) + interval '1 minute' as until
  from paced p
  where p.in_a_minute >= :per_minute::int or p.at_once >= :at_once::int
  group by p.tenant_id, p.user_id, p.minute
)
select f.tenant_id, f.user_id as actor_id, null::uuid as patient_id, min(o.at) as first_at, max(o.at) as last_at,
  format(
    '%s asked for %s patients or ids one by one, up to %s in a minute', max(u.slug), count(distinct o.whom), max(f.pace)
  ) as summary,
  jsonb_build_object(
    'patients_or_ids', count(distinct o.whom), 'most_in_a_minute', max(f.pace), 'asks', count(distinct o.disclosure_id)
  ) as facts,
  array_agg(distinct o.event_id) as event_ids
from fast f join opened o using (tenant_id, user_id, minute) join tenancy.users u on u.id = f.user_id
where o.at >= f.since and o.at <= f.until
group by f.tenant_id, f.user_id
