/*---
id: C01-high-volume
uuid: 8b0d2c5e-2f0e-5f6b-9a57-0b1d5c2f6a11
version: 2
title: high volume
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  On one day a person reached far more patients than on their own usual day (median and spread of the 28 days before),
  and more than any colleague of the same role
  reached that day, and more than their appointments and encounters of the day account for.
tier: C
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)"]
requires: [appointment]
every: 5m
settle: 0s
reconcile: 168h
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
  from review.staff_access a
  where a.batch > :from and a.batch <= :to
),
judged as (
  select d.tenant_id, d.user_id, d.day, d.role, d.patients, h.median, h.spread, h.counts,
    d.patients - (
      select count(*)
      from review.activity_patient p
      where p.tenant_id = d.tenant_id
        and p.user_id = d.user_id
        and p.day = d.day
        and exists (
          select from tenancy.relationship r
          where r.tenant_id = p.tenant_id
            and r.patient_id = p.patient_id
            and r.user_id = p.user_id
            and r.kind in ('appointment', 'encounter')
            and (r.void_at is null or r.void_at > p.first_at)
            and r.author_id is distinct from p.user_id
            and r.from_at between p.first_at - interval '1 day' and p.first_at + interval '1 day'
          offset 0
        )
    ) as unexpected,
    (
      select max(p.patients)
      from review.activity p
      where p.tenant_id = d.tenant_id and p.day = d.day and p.role = d.role and p.user_id <> d.user_id
    ) as peers
  from touched t
    join review.activity d using (tenant_id, user_id, day)
    cross join lateral review.usual(d.tenant_id, d.user_id, d.day, :history_days::int) h
  where d.patients >= :floor::int and h.worked >= :least_days::int
),
high as materialized (
  select j.*
  from judged j
  where j.unexpected >= :floor::int
    and j.unexpected > coalesce(j.median, 0) + :k::float8 * greatest(coalesce(j.spread, 0), 1)
    and j.unexpected >= :times::float8 * coalesce(j.median, 0)
    and j.patients > :peer_factor::float8 * coalesce(j.peers, 0)
)
select h.tenant_id, h.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s (%s) reached %s patients on %s; a usual day has %s, no colleague had more than %s',
    max(u.slug), max(h.role), max(h.patients), max(h.day), coalesce(round(max(h.median)::numeric, 1)::text, 'none'),
    coalesce(round(max(h.peers)::numeric, 1)::text, 'none')
  ) as summary,
  jsonb_build_object(
    'patients', max(h.patients), 'median', max(h.median), 'spread', max(h.spread), 'peers', max(h.peers),
    'day', max(h.day),
    'usual', (array_agg(coalesce(h.counts, '[]') || to_jsonb(h.patients) order by h.day desc))[1]
  ) as facts,
  array_agg(distinct a.event_id) as event_ids
from high h
  join tenancy.users u on u.id = h.user_id
  join review.staff_access a on a.tenant_id = h.tenant_id
    and a.user_id = h.user_id
    and a.batch <= :to
    and a.recorded_at >= h.day::timestamp at time zone 'UTC'
    and a.at >= h.day::timestamp at time zone 'UTC'
    and a.at < (h.day + 1)::timestamp at time zone 'UTC'
group by h.tenant_id, h.user_id
