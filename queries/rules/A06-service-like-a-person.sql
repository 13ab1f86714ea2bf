/*---
id: A06-service-like-a-person
uuid: f8caa01b-b804-5f87-b358-40f40ea7ef31
version: 2
title: service account used like a person
status: stable
owner: security
author: ward
created: 2026-11-27
modified: 2026-11-28
description: >-
  A service account read one patient's records as people do. Over a day (UTC) it asked for the same record again and
  again, and for hardly another patient half as often; or within an hour
  it asked several times, one ask after the other, and for hardly another patient. A job asks for many patients, or
  for all it wants of one at once, and comes back to all of them alike.
  Somebody may be using its secret.
tier: A
kind: flag
severity: critical
citations: ["164.308(a)(1)(ii)(D)", "164.312(a)(2)(i)", "164.312(d)"]
every: 5m
settle: 0s
entity: [tenant_id, actor_id]
params: {asks_a_day: 5, asks_an_hour: 6, most_patients: 2, least_seconds: 60}
false_positives:
  - "a job about one patient: it asks once, or is done within the minute"
  - "a portal that reads for the patient: it says so, purpose patient_request"
  - "an hour with little to do: two records of each appointment are fewer than six asks"
  - "a job that comes round: it asks for all of its patients again, not for one or two"
  - "a link that fetches a chart at each change of it: of one patient with five changes a day, where no other has three"
triage: >-
  Who knows the account's secret, and what was running? An operator who looked into a fault used the wrong account:
  give them their own. No ticket: take the secret away (ward service secret).
max_new_per_run: 500
---*/
with touched as (
  select distinct a.tenant_id, a.user_id, date_trunc('day', a.recorded_at, 'UTC') as day
  from review.access a
  where a.batch > :from and a.batch <= :to and a.actor_kind = 'service'
),
read as (
  select t.day, date_trunc('hour', a.recorded_at, 'UTC') as hour, a.tenant_id, t.user_id, a.event_id, a.at,
    a.patient_id, a.disclosure_id, a.record_table, a.record_id
  from touched t
    join review.access a on a.tenant_id = t.tenant_id
      and a.user_id = t.user_id
      and a.recorded_at >= t.day
      and a.recorded_at < t.day + interval '1 day'
  where a.batch <= :to
    and a.outcome = 'ok'
    and a.action = 'view'
    and a.purpose is distinct from 'patient_request'
    and a.patient_id is not null
    and a.known
),
records as (
  select r.tenant_id, r.user_id, r.day, r.patient_id, count(distinct r.disclosure_id) as asks
  from read r group by r.tenant_id, r.user_id, r.day, r.patient_id, r.record_table, r.record_id
  having max(r.at) - min(r.at) >= make_interval(secs => :least_seconds)
),
days as (
  select s.tenant_id, s.user_id, s.day, s.patient_id, max(s.asks) as asks,
    nth_value(max(s.asks), :most_patients::int + 1) over (
      partition by s.tenant_id, s.user_id, s.day
      order by max(s.asks) desc rows between unbounded preceding and unbounded following
    ) as others
  from records s
  group by s.tenant_id, s.user_id, s.day, s.patient_id
),
hours as (
  select r.tenant_id, r.user_id, r.day, r.hour, r.patient_id, count(distinct r.disclosure_id) as asks,
    max(r.at) - min(r.at) as lasted,
    count(*) over (partition by r.tenant_id, r.user_id, r.hour) as patients
  from read r
  group by r.tenant_id, r.user_id, r.day, r.hour, r.patient_id
),
charts as (
  select d.tenant_id, d.user_id, d.day, d.patient_id
  from days d
  where d.asks >= :asks_a_day::int and d.asks >= 2 * coalesce(d.others, 0)
  union
  select h.tenant_id, h.user_id, h.day, h.patient_id
  from hours h
  where h.asks >= :asks_an_hour::int
    and h.lasted >= make_interval(secs => :least_seconds)
    and h.patients <= :most_patients::int
)
select c.tenant_id, c.user_id as actor_id, null::uuid as patient_id, min(r.at) as first_at, max(r.at) as last_at,
  format(
    '%s read %s of %s as a person would, in %s asks',
    max(u.slug),
    case when count(distinct r.record_table) = 1 then '1 table' else count(distinct r.record_table) || ' tables' end,
    case when count(distinct c.patient_id) = 1 then '1 patient' else count(distinct c.patient_id) || ' patients' end,
    count(distinct r.disclosure_id)
  ) as summary,
  jsonb_build_object(
    'asks', count(distinct r.disclosure_id), 'patients', count(distinct c.patient_id), 'days', count(distinct c.day),
    'accesses', count(*)
  ) as facts,
  array_agg(r.event_id order by r.at) as event_ids
from charts c join read r using (tenant_id, user_id, day, patient_id) join tenancy.users u on u.id = c.user_id
group by c.tenant_id, c.user_id
