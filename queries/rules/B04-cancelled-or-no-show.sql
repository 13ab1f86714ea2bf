/*---
id: B04-cancelled-or-no-show
uuid: 8ea143dc-260c-5af0-9a0e-2909d024d4c6
version: 1
title: cancelled or no-show only
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  All that ties a person to a patient are appointments that were cancelled, or to which the patient did not come
  (nobody at the clinic recorded an encounter around them), and the access came more than a
  day after.
tier: B
kind: flag
severity: low
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)"]
requires: [appointment, encounter]
every: 5m
settle: 48h
reconcile: 168h
entity: [tenant_id, actor_id]
params: {before_days: 60, after_days: 14, grace_days: 1, documented_days: 2}
false_positives:
  - "the rescheduling desk: no appointment is the desk's own"
  - "a visit with a colleague: its encounter was recorded"
  - "a new appointment: it explains the access"
triage: >-
  Was the patient called about another date? Then there is a message or a booking soon after. Else ask what the chart
  was opened for.
max_new_per_run: 500
---*/
with accesses as (
  select a.tenant_id, a.user_id, a.patient_id, a.event_id, a.at
  from review.staff_access a
  where a.batch > :from
    and a.batch <= :to
    -- explained by more than the appointment
    and not exists (
      select from review.explanation x
      where x.event_id = a.event_id and x.filter not in ('F01-appointment', 'F90-repeat-access')
      offset 0
    )
),
judged as (
  select a.*, l.dead
  from accesses a
    cross join lateral (
      select count(*) as links,
        sum((
          r.kind = 'appointment'
          and coalesce(r.void_at, r.from_at) < a.at - make_interval(days => :grace_days)
          and (
            r.void_at is not null
            or not exists (
              select from tenancy.relationship e
              where e.tenant_id = r.tenant_id
                and e.patient_id = r.patient_id
                and e.kind = 'encounter'
                and e.from_at between r.from_at - make_interval(days => :grace_days)
                  and r.from_at + make_interval(days => :documented_days)
            )
          )
        )::int) as dead
      from tenancy.relationship r
      where r.tenant_id = a.tenant_id and r.patient_id = a.patient_id and r.user_id = a.user_id
        and r.from_at between a.at - make_interval(days => :before_days) and a.at + make_interval(days => :after_days)
    ) l
  where l.dead = l.links
)
select j.tenant_id, j.user_id as actor_id, null::uuid as patient_id, min(j.at) as first_at, max(j.at) as last_at,
  format(
    '%s reached %s %s %s times with whom they had nothing but appointments that did not take place',
    max(u.slug), count(distinct j.patient_id),
    case when count(distinct j.patient_id) = 1 then 'patient' else 'patients' end,
    count(*)
  ) as summary,
  jsonb_build_object(
    'accesses', count(*), 'patients', count(distinct j.patient_id), 'appointments', max(j.dead)
  ) as facts,
  array_agg(j.event_id order by j.at) as event_ids
from judged j join tenancy.users u on u.id = j.user_id
group by j.tenant_id, j.user_id
