/*---
id: B01-no-treatment-relationship
version: 1
title: no relationship
status: stable
owner: privacy-office
description: >-
  A member of the staff reached a patient with whom nothing on record connects them: no appointment, encounter, message or claim of their own, and no visit
  that their role has a part in. Only rows that the actor did not write, or that were there before the access, explain anything; a repeat access explains nothing.
tier: B
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)", "164.502(b)", "164.514(d)"]
requires: [appointment, encounter]
every: 5m
settle: 48h
entity: [tenant_id, actor_id]
params: {before_days: 30, after_days: 14, documented_days: 2, billing_days: 60, audit_days: 45}
false_positives:
  - "a covering colleague: the covering appointment or encounter, written by somebody else, explains it"
  - "billing after the visit: the encounter and claim explain it"
  - "front desk around an appointment"
  - "a request of the patient to the records office"
triage: "Open the evidence, look at the on-call roster of that day, ask the person's manager what the access was for."
max_new_per_run: 500
---*/
with accesses as (
  select a.tenant_id, a.user_id, a.patient_id, a.event_id, a.at, a.record_table, a.purpose, m.role
  from review.access a left join tenancy.membership m on m.id = a.membership_id
  where a.batch > :from and a.batch <= :to and a.actor_kind = 'human' and a.outcome = 'ok' and a.action in ('view', 'modify', 'export') and a.patient_id is not null and a.known
    and m.patient_id is null  -- a portal identity reaches one patient; what else it asks for is denied
), unexplained as (
  select a.* from accesses a
  where not exists (
    -- the person's own relationship with the patient
    select from review.relationship r
    where r.tenant_id = a.tenant_id and r.patient_id = a.patient_id and r.user_id = a.user_id
      and (r.void_at is null or r.void_at > a.at - interval '1 day') and (r.author_id is distinct from a.user_id or r.known_at <= a.at)
      and case r.kind
        when 'appointment' then r.known_at <= a.at and r.from_at between a.at - make_interval(days => :before_days) and a.at + make_interval(days => :after_days)
        when 'encounter' then r.known_at <= a.at + make_interval(days => :documented_days) and r.from_at <= a.at + make_interval(days => :documented_days) and coalesce(r.to_at, r.from_at) >= a.at - make_interval(days => :before_days)
        when 'message' then r.from_at between a.at - make_interval(days => :before_days) and a.at
        else r.from_at between a.at - make_interval(days => :billing_days) and a.at end)
  and not exists (
    -- a visit that the person's role has a part in, whoever the provider is: booking and cancelling at the desk, chart audits at the records office
    select from review.relationship r
    where r.tenant_id = a.tenant_id and r.patient_id = a.patient_id and case a.role
      when 'front_desk' then r.kind = 'appointment' and r.known_at <= a.at + interval '1 hour'
        and r.from_at between a.at - interval '7 days' and a.at + make_interval(days => :before_days)
      when 'records' then a.purpose = 'operations' and r.kind = 'encounter' and r.known_at <= a.at and coalesce(r.to_at, r.from_at) between a.at - make_interval(days => :audit_days) and a.at
      else false end)
)
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format('%s (%s) reached %s %s %s times with nothing on record that connects them', max(u.slug), coalesce(max(a.role), 'no role'), count(distinct a.patient_id),
    case when count(distinct a.patient_id) = 1 then 'patient' else 'patients' end, count(*)) as summary,
  jsonb_build_object('accesses', count(*), 'patients', count(distinct a.patient_id), 'tables', count(distinct a.record_table)) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from unexplained a join tenancy.users u on u.id = a.user_id
group by a.tenant_id, a.user_id
