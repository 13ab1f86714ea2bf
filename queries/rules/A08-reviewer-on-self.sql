/*---
id: A08-reviewer-on-self
uuid: b3f6b75b-f9cb-58cb-a48f-04904b3db36d
version: 1
title: a reviewer acts on themself
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  A reviewer opened or worked an anomaly about themself, or asked for their own events: by their user, or as the
  patient that they are at a clinic (where person_link says so). ward refuses the
  work, and records the look.
tier: A
kind: flag
severity: critical
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(3)(i)"]
every: 20s
settle: 0s
entity: [tenant_id, actor_id]
false_positives:
  - "a page of the queue: it lists what there is, one's own among it"
  - "a whole clinic's events: nobody is named, and one's own are among them"
triage: >-
  What was opened, and what did the person do next? Have a colleague close what is about them. Asked about oneself:
  the answer is a request to the privacy office, not a look.
max_new_per_run: 500
---*/
with looked as (
  select a.tenant_id, a.user_id, a.event_id, a.at, a.action, a.detail::jsonb as d,
    coalesce(a.detail::jsonb->>'anomaly', a.detail::jsonb->'filter'->>'anomaly') as anomaly
  from review.access a
  where a.batch > :from
    and a.batch <= :to
    and a.outcome = 'ok'
    and a.action in (
      'browse', 'open', 'search', 'export', 'claim', 'assign', 'note', 'close', 'approve', 'reopen', 'escalate',
      'suppress'
    )
),
own as (
  select l.*, u.slug
  from looked l join tenancy.users u on u.id = l.user_id
  where l.d->'filter'->'actor_ids' ? l.user_id::text
    or l.d->'filter'->>'actor' in (u.slug, u.id::text)
    or l.d->>'screen' = 'events of a user' and l.d->>'user' = l.user_id::text
    or exists (
      select from review.person_link k
      where k.user_id = l.user_id and k.tenant_id = l.tenant_id and k.patient_id::text = l.d->'filter'->>'subject_id'
    )
    or exists (
      select from review.anomaly x
      where x.id = l.anomaly::uuid
        and (
          x.actor_id = l.user_id
          or exists (
            select from review.person_link k
            where k.user_id = l.user_id and k.tenant_id = x.tenant_id and k.patient_id = x.subject_id
          )
        )
    )
)
select o.tenant_id, o.user_id as actor_id, null::uuid as patient_id, min(o.at) as first_at, max(o.at) as last_at,
  format('%s, who reviews, %s', max(o.slug), concat_ws(
    ' and ',
    case
      when count(o.anomaly) > 0 then format('opened or worked %s anomalies about themself', count(distinct o.anomaly))
    end,
    case
      when count(*) > count(o.anomaly)
      then format('asked %s times for what is on record about themself', count(*) - count(o.anomaly))
    end
  )) as summary,
  jsonb_build_object(
    'looks', count(*), 'anomalies', count(distinct o.anomaly), 'actions', string_agg(distinct o.action, ', ')
  ) as facts,
  array_agg(o.event_id order by o.at) as event_ids
from own o
group by o.tenant_id, o.user_id
