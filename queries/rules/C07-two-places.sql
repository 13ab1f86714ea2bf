/*---
id: C07-two-places
uuid: be0f2d3e-041e-5da2-9e78-658b29dba101
version: 1
title: one user in two places
status: stable
owner: security
author: ward
created: 2026-11-27
description: >-
  In the same minute of the clock somebody worked in sessions from two sources, several times: a login that is shared,
  or stolen. A person has one user for life, and so has whoever borrows it.
tier: C
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.312(a)(2)(i)", "164.312(d)"]
requires: [source_ip]
every: 5m
settle: 0s
entity: [tenant_id, actor_id]
params: {least_minutes: 3}
false_positives:
  - "moving from desk to phone: a minute or two in which both are in use"
  - "a virtual desktop: all of its sessions come from one source"
triage: >-
  Were both sources the clinic's own? Ask the person where they were. A shared login: each gets their own, and the
  sanction is the one for sharing. A source nobody knows: end the sessions now.
max_new_per_run: 500
---*/
with touched as (
  select distinct a.tenant_id, a.user_id, date_trunc('minute', a.recorded_at, 'UTC') as minute
  from review.access a
  where a.batch > :from and a.batch <= :to and a.actor_kind = 'human' and a.session_id is not null
),
worked as (
  select t.tenant_id, t.user_id, t.minute, a.event_id, a.at, s.key
  from touched t
    join review.access a on a.tenant_id = t.tenant_id
      and a.user_id = t.user_id
      and a.recorded_at >= t.minute
      and a.recorded_at < t.minute + interval '1 minute'
    join review.trait s on s.tenant_id = t.tenant_id and s.session_id = a.session_id
  where a.batch <= :to
),
both_places as (
  select w.tenant_id, w.user_id, w.minute, date_trunc('day', w.minute, 'UTC') as day
  from worked w
  group by w.tenant_id, w.user_id, w.minute having count(distinct w.key) > 1
),
often as (select b.*, count(*) over (partition by b.tenant_id, b.user_id, b.day) as minutes from both_places b)
select o.tenant_id, o.user_id as actor_id, null::uuid as patient_id, min(w.at) as first_at, max(w.at) as last_at,
  format(
    '%s worked from %s sources in the same minute, in %s minutes',
    max(u.slug), count(distinct w.key), count(distinct o.minute)
  ) as summary,
  jsonb_build_object(
    'sources', count(distinct w.key), 'minutes', count(distinct o.minute), 'events', count(distinct w.event_id)
  ) as facts,
  array_agg(distinct w.event_id) as event_ids
from often o join worked w using (tenant_id, user_id, minute) join tenancy.users u on u.id = o.user_id
where o.minutes >= :least_minutes::int
group by o.tenant_id, o.user_id
