-- The anomalies of a bundle's period that were closed with one disposition. This makes the two lists of 164.402, and
-- that of 164.308(a)(1)(ii)(C), which only those see who may close anomalies, since it tells of sanctions.
create or replace function review.closed_as(scope review.bundle_scope, wanted text)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select a.id as anomaly_id, a.tenant, a.rule_id, a.actor, a.subject_id, a.created_at as found_at,
      coalesce(
        (
          select proposal.discovered_on
          from review.discovery proposal
            join review.discovery answer on answer.answers = proposal.id
              and answer.accepted
              and answer.at <= (scope).as_of
          where proposal.anomaly_id = a.id
          order by answer.id desc limit 1
        ),
        (a.created_at at time zone 'UTC')::date
      ) as discovered_on,
      a.closed_at, a.closed_by, a.approved_at, a.approved_by, a.close_reason as reason,
      (
        select string_agg(dv.field || '=' || dv.value, '; ' order by dv.field)
        from review.disposition_value dv
        where dv.anomaly_id = a.id
          and dv.version = (
            select max(newest.version)
            from review.disposition_value newest
            where newest.anomaly_id = a.id and newest.at <= (scope).as_of
          )
      ) as fields,
      assessed.nature, assessed.recipient, assessed.acquired, assessed.mitigated, assessed.outcome as assessed_as,
      u.slug as assessed_by, assessed.at as assessed_at, assessed.event_id as assessment_event_id,
      (
        select string_agg(
          n.recipient || ' ' || n.made_on || ' ' || n.reference || ' (event ' || n.event_id || ')', '; ' order by n.id
        )
        from review.notice n
        where n.anomaly_id = a.id and n.at <= (scope).as_of
      ) as notices,
      a.evidence_event_ids, a.decision_event_ids
    from review.anomalies_as_of(scope) a
      left join lateral (
        select fa.*
        from review.assessment fa
        where fa.anomaly_id = a.id and fa.at <= (scope).as_of
        order by fa.id desc limit 1
      ) assessed on true
      left join tenancy.users u on u.id = assessed.by_user
    where a.state = 'closed'
      and a.disposition = wanted
      and a.closed_at >= (scope).from_at
      and a.closed_at < (scope).to_at
    order by a.closed_at, a.id
  ) line
$$;
