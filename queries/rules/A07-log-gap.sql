/*---
id: A07-log-gap
uuid: ac0d70b8-9ef8-5566-80fa-97980223a71c
version: 1
title: a gap or break in the log
status: stable
owner: security
author: ward
created: 2026-11-27
description: >-
  The log itself is not as it should be: a place in the chain is missing, sealing time runs backwards, an event waited
  long for its place, a system's clock is ahead of the database's,
  or a verification found the archive or the live rows INVALID. It looks at what is sealed anew; what happens to old
  rows a verification finds (ward archive verify), and then this.
tier: A
kind: flag
severity: critical
citations: ["164.308(a)(1)(ii)(D)", "164.312(b)", "164.312(c)(1)"]
every: 20s
settle: 0s
entity: [tenant_id]
params: {skew_minutes: 5, wait_minutes: 60}
false_positives:
  - "a recovery that an administrator ordered: the chain goes on after the place that the order names"
  - "a clock that is a little off: five minutes ahead or less; behind is how late logs look"
  - "a restart: sealing caught up within the hour"
  - "a verification that is not proven: something was not reachable, nothing was found wrong"
triage: >-
  Run ward archive verify with the public key from outside. A missing place or INVALID: stop pruning, keep a copy of
  the database, call whoever can change tables. A wait: were all workers down?
  A clock: have the sending system's set, and read its times with care.
max_new_per_run: 500
---*/
with placed as (
  select c.tenant_id, c.seq, c.event_id, c.sealed_at from audit.chain c where c.batch > :from and c.batch <= :to
),
found as (
  select p.tenant_id, p.event_id, p.sealed_at as at, 'gap' as what
  from placed p
  where p.seq > 1 and not exists (select from audit.chain b where b.tenant_id = p.tenant_id and b.seq = p.seq - 1)
    and not exists (select from audit.resume r where r.tenant_id = p.tenant_id and r.seq = p.seq - 1)
  union all
  select p.tenant_id, p.event_id, p.sealed_at, 'backwards'
  from placed p join audit.chain b on b.tenant_id = p.tenant_id and b.seq = p.seq - 1
  where b.sealed_at > p.sealed_at
  union all
  select a.tenant_id, a.event_id, a.at,
    case when a.action = 'verify' then 'invalid' when a.at > a.recorded_at then 'clock' else 'waited' end
  from review.access a
  where a.batch > :from and a.batch <= :to and (a.at > a.recorded_at + make_interval(mins => :skew_minutes)
    or a.source = 'ward' and a.sealed_at > a.recorded_at + make_interval(mins => :wait_minutes)
    or a.action = 'verify' and a.detail::jsonb->>'verdict' = 'INVALID')
)
select f.tenant_id, null::uuid as actor_id, null::uuid as patient_id, min(f.at) as first_at, max(f.at) as last_at,
  string_agg(
    distinct format(
      case f.what
        when 'gap' then '%s times a place in the chain is missing'
        when 'backwards' then '%s times sealing time runs backwards'
        when 'invalid' then '%s verifications found it INVALID'
        when 'waited' then '%s events waited for their place in the chain'
        else '%s events are from a clock that is ahead'
      end,
      f.times
    ),
    '; '
  ) as summary,
  jsonb_object_agg(f.what, f.times) as facts, array_agg(distinct f.event_id) as event_ids
from (select x.*, count(*) over (partition by x.tenant_id, x.what) as times from found x) f
group by f.tenant_id
