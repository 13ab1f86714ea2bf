/*---
id: A02-cross-tenant-denied
version: 1
title: cross-tenant denied
status: stable
owner: privacy-office
description: >-
  Somebody asked for a record that belongs to another clinic. The database showed nothing; the attempt is what counts.
tier: A
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(6)(ii)", "164.312(a)(1)"]
every: 20s
settle: 0s
entity: [tenant_id, actor_id]
false_positives:
  - >-
    a person of both clinics: in the session of each, it is none; a link from the other one is one: ask which, and fix
    the link
  - "a mistyped id: nobody's record, which this rule leaves alone"
triage: "Which ids, how many, over what time? Several in a row is a search for records; one is a link that went astray."
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s asked for %s %s of other clinics in %s, and got none',
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
  and a.detail::jsonb->>'reason' = 'the record belongs to another clinic'
group by a.tenant_id, a.user_id
