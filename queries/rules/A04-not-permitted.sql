/*---
id: A04-not-permitted
uuid: 40809f38-fb0b-5493-b96e-ea8e97fc7cd1
version: 1
title: no membership, or the role does not allow it
status: stable
owner: security
author: ward
created: 2026-11-27
description: >-
  A record was reached without any membership at the clinic, or with a role that may not do that to that table. ward
  refuses both, so this comes from an imported log, from
  a role that was changed past ward, or from somebody who writes to the database past it.
tier: A
kind: flag
severity: critical
citations: ["164.308(a)(1)(ii)(D)", "164.308(a)(4)(ii)(B)", "164.308(a)(4)(ii)(C)"]
every: 20s
settle: 0s
entity: [tenant_id, actor_id]
false_positives:
  - "a role narrowed since: what it allowed at the time of the access was allowed; ward role forbid is on record"
  - "a membership that was entered later: of an imported log, whose people were members before ward knew them"
  - "a table that ward does not protect: an imported log may name others, and no role says anything about them"
triage: >-
  How did the event come into the log? source = import: ask who runs that system what lets this person in. Otherwise
  somebody changed roles or rows past ward: treat it as an incident, and have
  the archive verified.
max_new_per_run: 500
---*/
with done as (
  select a.event_id,
    a.tenant_id,
    coalesce(a.user_id, o.id) as user_id,
    a.at,
    a.action,
    a.record_table,
    a.patient_id,
    -- of an own event the membership that it names, ended or not (A03 asks about its end); an imported one names none
    array(
      select m.role
      from tenancy.membership m
      where m.tenant_id = a.tenant_id
        and m.user_id = a.user_id
        and case
          when a.membership_id is null then coalesce(m.terminated_at > a.at, true)
          else m.id = a.membership_id
        end
    ) as roles
  -- an import names as text who is no member here
  from review.access a left join tenancy.users o on o.slug = a.detail::jsonb->>'actor'
  where a.batch > :from
    and a.batch <= :to
    and a.outcome = 'ok'
    and a.action in ('view', 'create', 'modify', 'delete', 'export')
    and a.record_table is not null  -- a reviewer's export of events is of no table
),
beyond as (
  select d.*
  from done d
  where d.roles = '{}'
    or exists (select from tenancy.phi_table t where t.record_table = d.record_table)
      and not exists (
        select from tenancy.permission p
        where p.role = any (d.roles) and p.record_table = d.record_table and p.action = d.action
      )
      and not exists (
        select from audit.event g
        where g.tenant_id = tenancy.installation()
          and g.recorded_at >= d.at
          and g.action = 'configure'
          and g.detail::jsonb->>'what' = 'role forbid'
          and g.detail::jsonb->>'role' = any (d.roles)
          and g.detail::jsonb->>'table' = d.record_table
          and g.detail::jsonb->'actions' ? d.action
      )
)
select b.tenant_id, b.user_id as actor_id, null::uuid as patient_id, min(b.at) as first_at, max(b.at) as last_at,
  format(
    '%s made %s accesses that nothing allows: %s',
    max(u.slug), count(*),
    string_agg(
      distinct case
        when b.roles = '{}' then 'no membership here'
        else format(
          '%s may not %s %s', array_to_string(b.roles, ', '), b.action, replace(b.record_table, 'public.', '')
        )
      end,
      '; '
    )
  ) as summary,
  jsonb_build_object('accesses', count(*), 'patients', count(distinct b.patient_id)) as facts,
  array_agg(b.event_id order by b.at) as event_ids
from beyond b join tenancy.users u on u.id = b.user_id
group by b.tenant_id, b.user_id
