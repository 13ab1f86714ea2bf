-- 164.308(a)(1)(ii)(C): for who closes anomalies, hence may know of sanctions. And the two lists of 164.402.
create or replace function review.closed_as(s review.bundle_scope, wanted text)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select a.id as anomaly_id, a.tenant, a.rule_id, a.actor, a.subject_id, a.created_at as found_at,
      coalesce(
        (
          select p.discovered_on
          from review.discovery p join review.discovery y on y.answers = p.id and y.accepted and y.at <= (s).as_of
          where p.anomaly_id = a.id
          order by y.id desc limit 1
        ),
        (a.created_at at time zone 'UTC')::date
      ) as discovered_on,
      a.closed_at, a.closed_by, a.approved_at, a.approved_by, a.close_reason as reason,
      (
        select string_agg(v.field || '=' || v.value, '; ' order by v.field)
        from review.disposition_value v
        where v.anomaly_id = a.id
          and v.version
            = (select max(w.version) from review.disposition_value w where w.anomaly_id = a.id and w.at <= (s).as_of)
      ) as fields,
      f.nature, f.recipient, f.acquired, f.mitigated, f.outcome as assessed_as, u.slug as assessed_by,
      f.at as assessed_at, f.event_id as assessment_event_id,
      (
        select string_agg(
          n.recipient || ' ' || n.made_on || ' ' || n.reference || ' (event ' || n.event_id || ')', '; ' order by n.id
        )
        from review.notice n
        where n.anomaly_id = a.id and n.at <= (s).as_of
      ) as notices,
      a.evidence_event_ids, a.decision_event_ids
    from review.anomalies_as_of(s) a
      left join lateral (
        select y.* from review.assessment y where y.anomaly_id = a.id and y.at <= (s).as_of order by y.id desc limit 1
      ) f on true
      left join tenancy.users u on u.id = f.by_user
    where a.state = 'closed' and a.disposition = wanted and a.closed_at >= (s).from_at and a.closed_at < (s).to_at
    order by a.closed_at, a.id
  ) x
$$;
