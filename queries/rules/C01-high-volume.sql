/*---
id: C01-high-volume
version: 1
title: high volume
status: stable
owner: privacy-office
description: >-
  On one day a person reached far more patients than on their own usual day (median and spread of the 28 days before), and more than any colleague of the same role
  reached that day, and more than their appointments and encounters of the day account for.
tier: C
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)"]
requires: [appointment]
every: 5m
settle: 0s
entity: [tenant_id, actor_id]
params: {k: 6, floor: 25, times: 4, history_days: 28, least_days: 5, peer_factor: 2}
false_positives:
  - "a clinic day: an appointment for each patient"
  - "a campaign: the whole role is busy that day"
triage: "What list did the person work through? Ask for the campaign or the job, then look at what was exported."
max_new_per_run: 500
---*/
with touched as (
  select distinct a.tenant_id, a.user_id, (a.at at time zone 'UTC')::date as day
  from review.access a
  where a.batch > :from and a.batch <= :to and a.actor_kind = 'human' and a.outcome = 'ok' and a.action in ('view', 'export') and a.patient_id is not null and a.known
), bounds as (
  select tenant_id, min(day) - :history_days::int as first_day, max(day) as last_day from touched group by tenant_id
), daily as (
  select a.tenant_id, a.user_id, (a.at at time zone 'UTC')::date as day, max(m.role) as role, count(distinct a.patient_id) as patients,
    count(distinct a.patient_id) filter (where exists (select from review.relationship r where r.tenant_id = a.tenant_id and r.patient_id = a.patient_id and r.user_id = a.user_id
      and r.kind in ('appointment', 'encounter') and (r.void_at is null or r.void_at > a.at) and r.author_id is distinct from a.user_id and r.from_at between a.at - interval '1 day' and a.at + interval '1 day')) as expected
  from bounds b join review.access a on a.tenant_id = b.tenant_id left join tenancy.membership m on m.id = a.membership_id
  where a.batch <= :to and a.recorded_at >= b.first_day and a.recorded_at < b.last_day + 2 and a.actor_kind = 'human' and a.outcome = 'ok' and a.action in ('view', 'export') and a.patient_id is not null and a.known
  group by a.tenant_id, a.user_id, (a.at at time zone 'UTC')::date
), judged as (
  select d.*, h.median, h.usual, h.days, percentile_cont(0.5) within group (order by abs(x.patients - h.median)) as spread,
    (select max(p.patients) from daily p where p.tenant_id = d.tenant_id and p.day = d.day and p.role = d.role and p.user_id <> d.user_id) as peers
  from daily d join touched t using (tenant_id, user_id, day)
    cross join lateral (select percentile_cont(0.5) within group (order by o.patients) as median, jsonb_agg(o.patients order by o.day) as usual, count(*) as days
      from daily o where o.tenant_id = d.tenant_id and o.user_id = d.user_id and o.day < d.day and o.day >= d.day - :history_days::int) h
    left join daily x on x.tenant_id = d.tenant_id and x.user_id = d.user_id and x.day < d.day and x.day >= d.day - :history_days::int
  group by d.tenant_id, d.user_id, d.day, d.role, d.patients, d.expected, h.median, h.usual, h.days
), high as (
  select j.* from judged j
  where j.patients - j.expected >= :floor::int and j.patients - j.expected > coalesce(j.median, 0) + :k::float8 * greatest(coalesce(j.spread, 0), 1)
    and j.days >= :least_days::int and j.patients - j.expected >= :times::float8 * coalesce(j.median, 0)
    and j.patients > :peer_factor::float8 * coalesce(j.peers, 0)
)
select h.tenant_id, h.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format('%s (%s) reached %s patients on %s; a usual day has %s, no colleague had more than %s', max(u.slug), max(h.role), max(h.patients), max(h.day), coalesce(round(max(h.median)::numeric, 1)::text, 'none'), coalesce(round(max(h.peers)::numeric, 1)::text, 'none')) as summary,
  jsonb_build_object('patients', max(h.patients), 'median', max(h.median), 'spread', max(h.spread), 'peers', max(h.peers), 'day', max(h.day), 'usual', (array_agg(h.usual || to_jsonb(h.patients) order by h.day desc))[1]) as facts,
  array_agg(distinct a.event_id) as event_ids
from high h join tenancy.users u on u.id = h.user_id
  join review.access a on a.tenant_id = h.tenant_id and a.user_id = h.user_id and a.batch <= :to and a.recorded_at >= h.day::timestamp at time zone 'UTC' and a.recorded_at < (h.day + 1)::timestamp at time zone 'UTC'
    and a.outcome = 'ok' and a.action in ('view', 'export') and a.patient_id is not null and a.known
group by h.tenant_id, h.user_id
