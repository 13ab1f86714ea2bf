/*---
id: A03-terminated-user
version: 1
title: terminated user
status: stable
owner: privacy-office
description: >-
  A record was reached under a membership after its end: after the day that HR gives, or after the termination itself.
  It runs over new events, and over
  old ones when a termination arrives later.
tier: A
kind: flag
severity: critical
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(3)(ii)(C)"]
every: 20s
settle: 0s
entity: [tenant_id, actor_id]
params: {day_ends_after_hours: 12}
false_positives:
  - "last day of work: that day belongs to the contract, to its end in the westernmost time zone"
  - "ended and terminated the same day"
triage: "What was opened, and for whom? Ask HR for the exact end; ask IT why the account stayed open."
max_new_per_run: 500
---*/
with ended as (
  select m.*,
    least(
      m.terminated_at, ((m.ended_on + 1)::timestamp at time zone 'UTC') + make_interval(hours => :day_ends_after_hours)
    ) as over_at
  from tenancy.membership m
  where m.ended_on is not null or m.terminated_at is not null
),
late as (
  -- terminations that arrived in this run: their whole membership is looked at again
  select t.tenant_id, (t.detail::jsonb->>'membership')::uuid as membership_id
  from review.access t
  where t.batch > :from and t.batch <= :to and t.action = 'terminate' and t.outcome = 'ok'
),
touched as (
  select a.event_id, a.tenant_id, a.user_id, a.at, a.patient_id, m.over_at, m.ended_on, m.terminated_at
  from ended m join review.access a on a.membership_id = m.id
  where a.batch > :from and a.batch <= :to and a.at > m.over_at
  union
  select a.event_id, a.tenant_id, a.user_id, a.at, a.patient_id, m.over_at, m.ended_on, m.terminated_at
  from late l join ended m on m.id = l.membership_id join review.access a on a.membership_id = m.id
  where a.batch <= :to and a.at > m.over_at
)
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s made %s accesses to %s patients after the membership was over (HR %s, terminated %s)',
    max(u.slug), count(*), count(distinct a.patient_id), coalesce(max(a.ended_on)::text, 'unknown'),
    coalesce(to_char(max(a.terminated_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), 'not yet')
  ) as summary,
  jsonb_build_object(
    'accesses', count(*), 'patients', count(distinct a.patient_id), 'ended_on', max(a.ended_on),
    'terminated_at', max(a.terminated_at)
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from touched a join review.access x using (event_id, tenant_id) join tenancy.users u on u.id = a.user_id
where x.action in ('view', 'create', 'modify', 'delete', 'export') and x.outcome = 'ok'
group by a.tenant_id, a.user_id
