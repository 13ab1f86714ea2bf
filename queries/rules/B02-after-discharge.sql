/*---
id: B02-after-discharge
uuid: 32acf5a9-f66a-5983-a9d1-bc5f7c0d2f5c
version: 1
title: after the relationship ended
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  A member of the staff reached a patient whom they once treated, weeks after the last appointment, encounter, message
  or claim of their own with this patient was over, with none ahead, and no
  filter explains it. B01 has such an access too, among strangers' charts; this is the former patient, the former
  partner, the old acquaintance.
tier: B
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)"]
related: [{id: B01-no-treatment-relationship, type: similar}]
requires: [appointment, encounter]
every: 5m
settle: 48h
reconcile: 168h
entity: [tenant_id, actor_id]
params: {ended_days: 30, billing_days: 60, documented_days: 2}
false_positives:
  - "follow-up of a result: within thirty days of the visit"
  - "coding and billing: within sixty days of the claim"
  - "an appointment ahead: on the books at the time of the access"
  - "a chart audit of the records office: a visit of 45 days, purpose operations"
  - "the front desk: an appointment of a week ago to a month ahead, with anybody"
triage: >-
  Did anything come in about this patient: a result, a letter, a request? Ask the person. Was it the only chart, and
  not of the day's work: that is a question about the two of them.
max_new_per_run: 500
---*/
with ended as (
  select a.*, l.over_at
  from review.unexplained a
    cross join lateral (
      -- until when the person's own rows reach, those ahead too: a claim for longer
      select max(
        coalesce(r.to_at, r.from_at)
        + make_interval(days => case r.kind when 'claim' then :billing_days::int - :ended_days::int else 0 end)
      ) as over_at
      from tenancy.relationship r
      where r.tenant_id = a.tenant_id
        and r.patient_id = a.patient_id
        and r.user_id = a.user_id
        and coalesce(r.void_at > a.at - interval '1 day', true)
        and r.known_at <= a.at
            + make_interval(days => case when r.author_id is distinct from a.user_id then :documented_days else 0 end)
    ) l
  where a.batch > :from and a.batch <= :to and l.over_at < a.at - make_interval(days => :ended_days)
)
select e.tenant_id, e.user_id as actor_id, null::uuid as patient_id, min(e.at) as first_at, max(e.at) as last_at,
  format(
    '%s (%s) reached %s former %s %s times, up to %s days after all that tied them',
    max(u.slug), coalesce(max(e.role), 'no role'), count(distinct e.patient_id),
    case when count(distinct e.patient_id) = 1 then 'patient' else 'patients' end,
    count(*), extract(day from max(e.at - e.over_at))
  ) as summary,
  jsonb_build_object(
    'accesses', count(*), 'patients', count(distinct e.patient_id),
    'days_after', extract(day from max(e.at - e.over_at))
  ) as facts,
  array_agg(e.event_id order by e.at) as event_ids
from ended e join tenancy.users u on u.id = e.user_id
group by e.tenant_id, e.user_id
