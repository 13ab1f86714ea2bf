/*---
id: S02-late-rule
uuid: 3a1c7d52-4b0e-5d0a-8f0e-6a4e7a1d0c02
version: 2
title: a rule did not run in time, or sealing stands still
status: stable
owner: security
description: >-
  A rule's last successful run is older than its period and the grace together, or the oldest event without a place in
  the chain is older than the grace: then nobody examines what happens.
  Every worker looks, also while the one that leads is stuck. Not about this rule itself: its runs are in ward rule
  history, and ward worker --metrics tells of its lag.
tier: S
kind: watch
severity: high
citations: ["164.308(a)(1)(ii)(D)", "164.312(b)"]
every: 1m
settle: 0s
entity: [tenant_id, what]
params: {grace_minutes: 15}
false_positives:
  - "maintenance: every worker was stopped on purpose, and the first one back has not caught up"
  - "not enabled: a rule that lacks what it requires does not run, and says so in ward rule list"
triage: >-
  ward rule history and ward worker jobs say what failed. No job and no run: is a worker running that has this rule?
  No worker has its file: put it back, or ward rule retire says that it is meant to be gone. Sealing: is the leading
  worker stuck? Stop it; another one takes over.
max_new_per_run: 200
---*/
with ran as (
  select r.id as what, coalesce(x.finished_at, r.known_since) as last, (r.front_matter->>'every')::interval as every,
    x.finished_at is null as never, x.recorded_as, r.loaded_at
  from review.rule r
    left join lateral (
      select x.finished_at, x.recorded_as
      from review.run x
      where x.rule_id = r.id and x.status = 'ok'
      order by x.finished_at desc limit 1
    ) x on true
  where r.missing = '{}' and r.id <> 'S02-late-rule'
),
late as (
  select r.what, r.last + r.every as since, r.recorded_as,
    format(
      'rule %s is late: due since %s UTC, every %s, %s',
      r.what, to_char(r.last + r.every, 'YYYY-MM-DD HH24:MI:SS'), r.every,
      case when r.never then 'has never run' else 'last ran at ' || to_char(r.last, 'YYYY-MM-DD HH24:MI:SS') end
    ) || case
      when r.loaded_at < :now::timestamptz - interval '10 minutes'
      then format('; no worker has its file since %s', to_char(r.loaded_at, 'YYYY-MM-DD HH24:MI'))
      else ''
    end as summary
  from ran r
  where r.last + r.every + make_interval(mins => :grace_minutes::int) < :now::timestamptz
  union all
  -- where the sealer stands is a subquery, hence a bound of the index: joined, it was a filter on every event there is
  select 'sealing', u.recorded_at, null,
    format(
      'sealing stands still: the oldest event without a place in the chain is of %s UTC',
      to_char(u.recorded_at, 'YYYY-MM-DD HH24:MI:SS')
    )
  from (
    select e.recorded_at
    from audit.event e
    where e.xid >= (select coalesce(pg_snapshot_xmax(s.snapshot), '0'::xid8) from audit.seal_state s)
    order by e.xid, e.event_id limit 1
  ) u
  where u.recorded_at + make_interval(mins => :grace_minutes::int) < :now::timestamptz
)
select tenancy.installation() as tenant_id,
  null::uuid as actor_id,
  null::uuid as patient_id,
  l.since as first_at,
  :now::timestamptz as last_at,
  l.summary,
  jsonb_build_object('what', l.what, 'since', l.since) as facts,
  -- the last run that succeeded, where it is sealed
  array(select c.event_id from audit.chain c where c.event_id = l.recorded_as) as event_ids
from late l
