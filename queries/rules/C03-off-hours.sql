/*---
id: C03-off-hours
uuid: 04f16fd0-44bd-5393-9103-7130fbceb504
version: 2
title: off hours
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
modified: 2026-11-28
description: >-
  Somebody read patients at hours of the day at which they are hardly ever here (on fewer than one in ten of their
  days of the 56 before, an hour more or less), and had no visit with these
  patients within half a day. Rosters are not known to ward: the person's own habit stands in for them. Low by itself;
  it says something beside another anomaly of the same person.
tier: C
kind: flag
severity: low
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(5)(ii)(C)"]
requires: [appointment]
every: 1h
settle: 4h
entity: [tenant_id, actor_id]
params: {history_days: 56, least_days: 10, usual_in: 10, visit_hours: 12, least_patients: 3}
false_positives:
  - "catching up on notes: the day's own visits"
  - "a regular night shift: the hour is the person's own"
  - "a new colleague: no habit yet"
  - "daylight saving time: an hour more or less is the same hour"
  - "on call, or travelling: the roster says so, ward does not"
triage: >-
  Look at the roster and the on-call list of that night. Neither: whose account was it? Ask whether anybody else knows
  the password, and look at where the session came from.
max_new_per_run: 500
---*/
with apart as (
  select a.tenant_id, a.user_id, (a.at at time zone 'UTC')::date as day,
    extract(hour from a.at at time zone 'UTC')::int as hour, a.event_id, a.at, a.patient_id
  from review.staff_access a
  where a.batch > :from
    and a.batch <= :to
    and not exists (
      select from tenancy.relationship r
      where r.tenant_id = a.tenant_id
        and r.patient_id = a.patient_id
        and r.user_id = a.user_id
        and r.kind in ('appointment', 'encounter')
        and r.from_at between a.at - make_interval(hours => :visit_hours)
          and a.at + make_interval(hours => :visit_hours)
      offset 0
    )
),
hours as (select distinct a.tenant_id, a.user_id, a.day, a.hour from apart a),
unusual as materialized (
  select h.*
  from hours h
    cross join lateral (
      select count(*) as here,
        sum((
          d.hours[1 + (h.hour + 23) % 24] + d.hours[1 + h.hour] + d.hours[1 + (h.hour + 1) % 24] > 0
        )::int) as then_too
      from review.activity d
      where d.tenant_id = h.tenant_id
        and d.user_id = h.user_id
        and d.day < h.day
        and d.day >= h.day - :history_days::int
    ) x
  where x.here >= :least_days::int and x.then_too * :usual_in::int < x.here
),
nights as (
  select n.tenant_id, n.user_id, n.day, array_agg(distinct n.hour) as hours
  from unusual n join apart a using (tenant_id, user_id, day, hour)
  group by n.tenant_id, n.user_id, n.day having count(distinct a.patient_id) >= :least_patients::int
)
select n.tenant_id, n.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s read %s patients at %s UTC, when they are hardly ever here',
    max(u.slug), count(distinct a.patient_id), string_agg(distinct to_char(a.hour, 'FM00"h"'), ', ')
  ) as summary,
  jsonb_build_object(
    'patients', count(distinct a.patient_id), 'accesses', count(*), 'hours', count(distinct (a.day, a.hour))
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from nights n join apart a using (tenant_id, user_id, day) join tenancy.users u on u.id = n.user_id
where a.hour = any (n.hours)
group by n.tenant_id, n.user_id
