/*---
id: A01-cross-tenant-success
uuid: f9277107-5c89-57fe-a301-968d57887955
version: 1
title: cross-tenant success
status: stable
owner: privacy-office
author: ward
created: 2026-11-27
description: >-
  An imported log says that somebody reached a record of another clinic. ward itself shows no such record, so this can
  only come from a log that another system kept: of an own event
  the attempt is found by A02. Whose the record is says the import (owner_tenant), else ward's own list of records.
tier: A
kind: flag
severity: critical
citations: ["164.308(a)(1)(ii)(D)", "164.312(a)(1)", "164.402", "164.410"]
every: 20s
settle: 0s
entity: [tenant_id, actor_id]
false_positives:
  - "a person of both clinics: the log of each names its own records"
  - "a merged record: one id in both clinics, hence this clinic's too"
  - "an id that ward does not know: the records were not imported before the log, and nothing is said of them"
triage: >-
  Which clinic's records, and did the other system really show them? Ask who runs it. If it did: the owner clinic has
  to hear of it, and its 60 days run from today (164.410).
max_new_per_run: 500
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at, max(a.at) as last_at,
  format(
    '%s reached %s %s of %s, says an imported log',
    coalesce(max(u.slug), 'somebody'), count(distinct a.record_id),
    case when count(distinct a.record_id) = 1 then 'record' else 'records' end,
    string_agg(distinct o.slug, ', ')
  ) as summary,
  jsonb_build_object(
    'records', count(distinct a.record_id), 'accesses', count(*), 'owner', string_agg(distinct o.slug, ', '),
    'clinic', max(t.slug)
  ) as facts,
  array_agg(a.event_id order by a.at) as event_ids
from review.access a join tenancy.tenant t on t.id = a.tenant_id left join tenancy.users u on u.id = a.user_id
  cross join lateral (
    select w.slug from tenancy.tenant w
    where w.id <> a.tenant_id and w.slug = a.detail::jsonb->>'owner_tenant'
    union
    select w.slug from tenancy.record r join tenancy.tenant w on w.id = r.tenant_id
    where not a.known and r.record_id = a.record_id and r.record_table = a.record_table
    order by 1 limit 1) o
where a.batch > :from
  and a.batch <= :to
  and a.source = 'import'
  and a.outcome = 'ok'
  and a.action in ('view', 'create', 'modify', 'delete', 'export')
group by a.tenant_id, a.user_id
