/*---
id: A09-other-patient-denied
version: 1
title: another patient's record denied
status: stable
owner: privacy-office
description: >-
  A portal identity asked for a record of another patient of the clinic. The database showed nothing; the attempt is
  what counts.
tier: A
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.312(a)(1)", "164.524"]
every: 20s
settle: 0s
entity: [tenant_id, actor_id]
false_positives:
  - >-
    a parent of two: in the session for each child, it is none; a link from the other one is one: ask which, and fix
    the link
  - "a mistyped id: nobody's record, which this rule leaves alone"
triage: >-
  How did the portal come by the ids? Several in a row is a search for records: treat the account as stolen, or the
  portal as broken.
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s asked for %s %s of other patients in %s, and got none',
    coalesce(max(u.slug), 'somebody'), count(distinct a.record_id),
    case when count(distinct a.record_id) = 1 then 'record' else 'records' end,
    case
      when max(a.at) - min(a.at) < interval '1 minute' then 'under a minute'
      else to_char(max(a.at) - min(a.at), 'FMDDD "d" HH24 "h" MI "min"')
    end
  ) as summary,
  jsonb_build_object(
    'records', count(distinct a.record_id), 'attempts', count(*), 'tables', count(distinct a.record_table)
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from review.access a left join tenancy.users u on u.id = a.user_id
where a.batch > :from
  and a.batch <= :to
  and a.outcome = 'denied'
  and a.action in ('view', 'export')
  and a.detail::jsonb->>'reason' = 'the record belongs to another patient'
group by a.tenant_id, a.user_id
