/*---
id: C03-off-hours
uuid: 04f16fd0-44bd-5393-9103-7130fbceb504
version: 1
title: off hours
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  Somebody read patients at an hour of the day at which they are hardly ever here (on at most one of the 56 days before, an hour more or less), and had no visit with these patients within half
  a day. Rosters are not known to ward: the person's own habit stands in for them. Low by itself; it says something beside another anomaly of the same person.
tier: C
kind: flag
severity: low
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(5)(ii)(C)"]
requires: [appointment]
every: 1h
settle: 4h
entity: [tenant_id, actor_id]
params: {history_days: 56, least_days: 15, usual_days: 2, visit_hours: 12, least_patients: 3}
false_positives:
  - "catching up on notes: the day's own visits"
  - "a regular night shift: the hour is the person's own"
  - "a new colleague: no habit yet"
  - "daylight saving time: an hour more or less is the same hour"
  - "on call, or travelling: the roster says so, ward does not"
triage: "Look at the roster and the on-call list of that night. Neither: whose account was it? Ask whether anybody else knows the password, and look at where the session came from."
sla: {claim: 10bd, close: 60bd}
max_new_per_run: 500
---*/
with apart as (
  select a.tenant_id, a.user_id, date_trunc('hour', a.recorded_at, 'UTC') as hour, a.event_id, a.at, a.patient_id
  from review.access a
  where a.batch > :from and a.batch <= :to and a.actor_kind = 'human' and a.outcome = 'ok' and a.action in ('view', 'modify', 'export') and a.known
    and not exists (
      select from review.relationship r
      where r.tenant_id = a.tenant_id and r.patient_id = a.patient_id and r.user_id = a.user_id and r.kind in ('appointment', 'encounter')
        and r.from_at between a.at - make_interval(hours => :visit_hours) and a.at + make_interval(hours => :visit_hours))
), hours as (
  select a.tenant_id, a.user_id, a.hour, date_trunc('day', a.hour, 'UTC') as day
  from apart a group by a.tenant_id, a.user_id, a.hour having count(distinct a.patient_id) >= :least_patients::int
), unusual as materialized (
  -- each day of the history is one look into an index, and none is made once it is clear that the hour is usual
  select h.* from hours h
  where (select count(*) from (
      select from generate_series(1, :history_days::int) n
      where exists (select from audit.event e
        where e.tenant_id = h.tenant_id and e.user_id = h.user_id and e.recorded_at >= h.hour - make_interval(days => n, hours => 1) and e.recorded_at < h.hour - make_interval(days => n) + interval '2 hours')
      limit :usual_days::int) usual) < :usual_days::int
    and (select count(*) from (
      select from generate_series(1, :history_days::int) n
      where exists (select from audit.event e
        where e.tenant_id = h.tenant_id and e.user_id = h.user_id and e.recorded_at >= h.day - make_interval(days => n) and e.recorded_at < h.day - make_interval(days => n - 1))
      limit :least_days::int) here) >= :least_days::int
)
select n.tenant_id, n.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format('%s read %s patients at %s UTC, when they are hardly ever here', max(u.slug), count(distinct a.patient_id), string_agg(distinct to_char(n.hour at time zone 'UTC', 'HH24"h"'), ', ')) as summary,
  jsonb_build_object('patients', count(distinct a.patient_id), 'accesses', count(*), 'hours', count(distinct n.hour)) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from unusual n join apart a using (tenant_id, user_id, hour) join tenancy.users u on u.id = n.user_id
where a.patient_id is not null
group by n.tenant_id, n.user_id
