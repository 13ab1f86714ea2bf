/*---
id: B03-break-glass
uuid: e1b063d6-3978-563f-91db-aba924b3bd52
version: 2
title: break-glass without follow-up
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
modified: 2026-11-28
description: >-
  Somebody broke the glass (purpose break_glass), and neither does an encounter of the patient that anybody else wrote
  lie within a day of it, nor had the patient written to this person
  in the day before; or did so for more than three patients in a week. Emergency access is a right; that it was an
  emergency is what surrounds it.
tier: B
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.312(a)(2)(ii)", "164.502(b)"]
requires: [encounter]
every: 5m
settle: 48h
entity: [tenant_id, actor_id]
params: {within_hours: 24, per_week: 3}
false_positives:
  - "a true emergency: the encounter that a colleague or the desk records within the day"
  - "a call of the night: the patient wrote to who was on call, who may have recorded the encounter themself"
  - "a weekend on call: three patients in a week are within the bound"
triage: >-
  Ask what the emergency was, and where it is written down. Who wrote the encounter themself shows it; nothing written
  two days later is a policy matter at least. Often in a week: is the person's role too narrow for their work?
max_new_per_run: 500
---*/
with broken as (
  select a.tenant_id, a.user_id, a.event_id, a.at, a.recorded_at, a.patient_id
  from review.access a
  where a.batch > :from
    and a.batch <= :to
    and a.purpose = 'break_glass'
    and a.outcome = 'ok'
    and a.patient_id is not null
    and a.known
),
judged as (
  select b.*,
    exists (
      select from tenancy.relationship r
      where r.tenant_id = b.tenant_id
        and r.patient_id = b.patient_id
        and r.kind = 'encounter'
        and r.author_id is distinct from b.user_id
        and r.void_at is null
        and r.from_at between b.at - make_interval(hours => :within_hours)
          and b.at + make_interval(hours => :within_hours)
    ) as followed,
    exists (
      select from tenancy.relationship c
      where c.tenant_id = b.tenant_id
        and c.patient_id = b.patient_id
        and c.user_id = b.user_id
        and c.kind = 'message'
        and c.author_id is distinct from b.user_id
        and c.void_at is null
        and c.from_at between b.at - make_interval(hours => :within_hours) and b.at
    ) as called,
    (
      select count(distinct x.patient_id)
      from review.access x
      where x.tenant_id = b.tenant_id
        and x.user_id = b.user_id
        and x.recorded_at > b.recorded_at - interval '7 days'
        and x.recorded_at <= b.recorded_at
        and x.purpose = 'break_glass'
        and x.outcome = 'ok'
        and x.known
    ) as in_a_week
  from broken b
)
select j.tenant_id, j.user_id as actor_id, null::uuid as patient_id, min(j.at) as first_at, max(j.at) as last_at,
  format(
    '%s broke the glass for %s %s, %s without a call before or an encounter that follows; up to %s in a week',
    max(u.slug), count(distinct j.patient_id),
    case when count(distinct j.patient_id) = 1 then 'patient' else 'patients' end,
    count(distinct case when not (j.followed or j.called) then j.patient_id end),
    max(j.in_a_week)
  ) as summary,
  jsonb_build_object(
    'patients', count(distinct j.patient_id),
    'without_follow_up', count(distinct case when not (j.followed or j.called) then j.patient_id end),
    'most_in_a_week', max(j.in_a_week), 'accesses', count(*)
  ) as facts,
  array_agg(j.event_id order by j.at) as event_ids
from judged j join tenancy.users u on u.id = j.user_id
where not (j.followed or j.called) or j.in_a_week > :per_week::int
group by j.tenant_id, j.user_id
