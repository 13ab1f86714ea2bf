/*---
id: C05-export
uuid: ebd0d409-a578-5859-b383-3348c1ba9d28
version: 1
title: export volume, or a first export
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  On one day a person exported the records of far more patients than on any of the 28 days before, and more than any
  colleague of the same role; or somebody exported who never did in that time,
  in a role in which nobody does.
tier: C
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)", "164.528"]
every: 5m
settle: 0s
entity: [tenant_id, actor_id]
params: {history_days: 28, floor: 25, times: 3, peer_factor: 2, first_floor: 3, least_days: 10}
false_positives:
  - "release of information: a patient or two, as their request says"
  - "a quality report: the whole role exports that much"
  - "a new colleague in the records office: the role exports"
  - "a new exporter of a new role: no habit yet"
triage: >-
  Where did the file go, and who asked for it? A report or a request has a name and a date: note them. None: have the
  file found and taken back first; the log says which patients are in it.
max_new_per_run: 500
---*/
with touched as (
  select distinct a.tenant_id, a.user_id, date_trunc('day', a.recorded_at, 'UTC') as day
  from review.access a
  where a.batch > :from and a.batch <= :to and a.actor_kind = 'human' and a.action = 'export'
),
daily as (
  -- each day of the history that the person was here, with how many patients they exported
  select t.tenant_id, t.user_id, t.day, date_trunc('day', a.recorded_at, 'UTC') as on_day,
    count(distinct case a.action when 'export' then a.patient_id end) as exported
  from touched t
    join review.access a on a.tenant_id = t.tenant_id
      and a.user_id = t.user_id
      and a.recorded_at >= t.day - make_interval(days => :history_days)
      and a.recorded_at < t.day + interval '1 day'
  where a.batch <= :to and a.outcome = 'ok' and a.known
  group by t.tenant_id, t.user_id, t.day, date_trunc('day', a.recorded_at, 'UTC')
),
judged as (
  select d.tenant_id, d.user_id, d.day, max(d.exported * (d.on_day = d.day)::int) as today,
    max(d.exported * (d.on_day < d.day)::int) as most, count(*) - 1 as days,
    jsonb_agg(d.exported order by d.on_day) as usual,
    (
      select coalesce(max(p.exported), 0)
      from (
        select count(distinct a.patient_id) as exported
        from tenancy.membership mine
          join tenancy.membership m on m.tenant_id = mine.tenant_id and m.role = mine.role and m.user_id <> mine.user_id
          join review.access a on a.tenant_id = m.tenant_id
            and a.user_id = m.user_id
            and a.recorded_at >= d.day - make_interval(days => :history_days)
            and a.recorded_at < d.day + interval '1 day'
        where mine.tenant_id = d.tenant_id
          and mine.user_id = d.user_id
          and a.batch <= :to
          and a.action = 'export'
          and a.outcome = 'ok'
          and a.known
        group by a.user_id, date_trunc('day', a.recorded_at, 'UTC')
      ) p
    ) as peers
  from daily d
  group by d.tenant_id, d.user_id, d.day
),
high as (
  select j.* from judged j
  where case when j.most + j.peers = 0 then j.days >= :least_days::int and j.today >= :first_floor::int
    else j.today >= :floor::int and j.today > :times::float8 * j.most and j.today > :peer_factor::float8 * j.peers end
)
select h.tenant_id, h.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s exported %s patients on %s; %s',
    max(u.slug), max(h.today), max((h.day at time zone 'UTC')::date),
    case
      when max(h.most + h.peers) = 0 then 'nobody of the role has exported in the weeks before'
      else format('at most %s on a day before, no colleague more than %s', max(h.most), max(h.peers))
    end
  ) as summary,
  jsonb_build_object(
    'patients', max(h.today), 'most_before', max(h.most), 'colleagues', max(h.peers), 'days_here', max(h.days),
    'usual', (array_agg(h.usual order by h.day desc))[1]
  ) as facts,
  array_agg(distinct a.event_id) as event_ids
from high h
  join tenancy.users u on u.id = h.user_id
  join review.access a on a.tenant_id = h.tenant_id
    and a.user_id = h.user_id
    and a.recorded_at >= h.day
    and a.recorded_at < h.day + interval '1 day'
    and a.batch <= :to
    and a.action = 'export'
    and a.outcome = 'ok'
    and a.known
group by h.tenant_id, h.user_id
