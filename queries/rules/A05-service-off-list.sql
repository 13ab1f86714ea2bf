/*---
id: A05-service-off-list
version: 1
title: service off its list
status: stable
owner: security
description: A service account did something that its declared list (action, table, clinic, hours) does not have.
tier: A
kind: flag
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.312(a)(2)(i)", "164.312(d)"]
every: 20s
settle: 0s
entity: [tenant_id, actor_id]
false_positives:
  - "a rerun or backfill of a declared job: within the list, whatever its volume"
  - >-
    a new release whose list was updated: it is on the list; one whose list was not is found: update the list, then
    close with the ticket
triage: "Ask the account's owner for the job and its ticket. No ticket: treat the credential as stolen."
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s did %s things off its list: %s',
    max(u.slug), count(*),
    string_agg(
      distinct a.action || ' ' || replace(coalesce(a.record_table, '-'), 'public.', '') || ' at '
        || to_char(a.at at time zone 'UTC', 'HH24') || 'h UTC',
      ', '
    )
  ) as summary,
  jsonb_build_object('accesses', count(*), 'patients', count(distinct a.patient_id)) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from review.access a join tenancy.users u on u.id = a.user_id
where a.batch > :from
  and a.batch <= :to
  and a.actor_kind = 'service'
  and a.outcome = 'ok'
  and a.action in ('view', 'create', 'modify', 'delete', 'export')
  and not exists (
    select from tenancy.service_permission p
    where p.user_id = a.user_id
      and p.action = a.action
      and p.record_table = a.record_table
      and (p.tenant_id is null or p.tenant_id = a.tenant_id)
      and extract(hour from a.at at time zone 'UTC') >= p.from_hour
      and extract(hour from a.at at time zone 'UTC') < p.to_hour
  )
group by a.tenant_id, a.user_id
