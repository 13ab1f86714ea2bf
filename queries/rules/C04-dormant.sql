/*---
id: C04-dormant
uuid: ccae4a9c-d077-5031-a64e-6ef965adc429
version: 1
title: dormant account returns
status: stable
owner: security
author: ward
created: 2026-11-27
description: >-
  Somebody of whom nothing was heard at a clinic for six weeks and more came back and reached several patients within
  a day, beyond those with whom they had a visit. Forgotten accounts are the ones
  that others use.
tier: C
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(3)(ii)(C)"]
requires: [appointment]
every: 5m
settle: 0s
entity: [tenant_id, actor_id]
params: {silent_days: 45, least_patients: 5}
false_positives:
  - "back from leave to a full clinic: an appointment for each patient"
  - "a locum's first day: nothing before it, so no silence either"
triage: >-
  Ask HR or the manager, not the person: do they work here again, since when? Back from leave: close with the date.
  Nobody expected them: end the membership, then ask whose hands were on the keyboard.
max_new_per_run: 500
---*/
with touched as (
  select a.tenant_id, a.user_id, min(a.recorded_at) - interval '1 day' as since
  from review.access a
  where a.batch > :from and a.batch <= :to and a.actor_kind = 'human' and a.patient_id is not null
  group by a.tenant_id, a.user_id
),
seen as (
  select t.tenant_id, t.user_id, a.event_id, a.at, a.recorded_at, a.action, a.outcome, a.patient_id, a.known,
    lag(a.recorded_at) over (partition by t.tenant_id, t.user_id order by a.recorded_at, a.event_id) as before
  from touched t
    join review.access a on a.tenant_id = t.tenant_id and a.user_id = t.user_id and a.recorded_at >= t.since
  where a.batch <= :to
),
returned as (
  select s.tenant_id, s.user_id, s.recorded_at as back, l.last_seen
  from seen s
    cross join lateral (
      select coalesce(s.before, (
        select max(e.recorded_at)
        from audit.event e
        where e.tenant_id = s.tenant_id and e.user_id = s.user_id and e.recorded_at < s.recorded_at
      )) as last_seen
    ) l
  where l.last_seen < s.recorded_at - make_interval(days => :silent_days)
),
reached as (
  select r.*, s.event_id, s.at, s.patient_id
  from returned r
    join seen s on s.tenant_id = r.tenant_id
      and s.user_id = r.user_id
      and s.recorded_at >= r.back
      and s.recorded_at < r.back + interval '1 day'
  where s.outcome = 'ok'
    and s.action in ('view', 'modify', 'export')
    and s.patient_id is not null
    and s.known
    and not exists (
      select from tenancy.relationship x
      where x.tenant_id = s.tenant_id
        and x.patient_id = s.patient_id
        and x.user_id = s.user_id
        and x.kind in ('appointment', 'encounter')
        and x.author_id is distinct from s.user_id
        and x.from_at between s.at - interval '1 day' and s.at + interval '1 day'
    )
)
select r.tenant_id, r.user_id as actor_id, null::uuid as patient_id, min(r.at) as first_at, max(r.at) as last_at,
  format(
    '%s came back after %s days and reached %s patients within a day',
    max(u.slug), extract(day from max(r.back - r.last_seen)), count(distinct r.patient_id)
  ) as summary,
  jsonb_build_object(
    'silent_days', extract(day from max(r.back - r.last_seen)), 'patients', count(distinct r.patient_id),
    'accesses', count(*), 'last_seen', max(r.last_seen)
  ) as facts,
  array_agg(r.event_id order by r.at) as event_ids
from reached r join tenancy.users u on u.id = r.user_id
group by r.tenant_id, r.user_id, r.back having count(distinct r.patient_id) >= :least_patients::int
