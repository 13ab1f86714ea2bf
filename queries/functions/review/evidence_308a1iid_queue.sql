-- 164.308(a)(1)(ii)(D): by clinic and severity, how many anomalies were open, found and closed in the period, and how
-- long that took.
create or replace function review.evidence_308a1iiD_queue(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select t.slug as tenant, severities.severity,
      count(a.id) filter (
        where a.created_at < (scope).from_at and (a.closed_at is null or a.closed_at >= (scope).from_at)
      ) as open_at_start,
      count(a.id) filter (where a.created_at >= (scope).from_at) as found,
      count(a.id) filter (where a.closed_at >= (scope).from_at and a.closed_at < (scope).to_at) as closed,
      count(a.id) filter (where a.closed_at is null or a.closed_at >= (scope).to_at) as open_at_end,
      round(
        extract(
          epoch from (scope).to_at
          - min(a.created_at) filter (where a.closed_at is null or a.closed_at >= (scope).to_at)
        ) / 3600,
        2
      ) as oldest_open_hours,
      round(
        (
          percentile_cont(0.5) within group (order by extract(epoch from a.claimed_at - a.created_at)) filter (
            where a.created_at >= (scope).from_at
          ) / 3600
        )::numeric,
        2
      ) as median_hours_to_claim,
      round(
        (
          percentile_cont(0.9) within group (order by extract(epoch from a.claimed_at - a.created_at)) filter (
            where a.created_at >= (scope).from_at
          ) / 3600
        )::numeric,
        2
      ) as p90_hours_to_claim,
      round(
        (
          percentile_cont(0.5) within group (order by extract(epoch from a.closed_at - a.created_at)) filter (
            where a.closed_at >= (scope).from_at and a.closed_at < (scope).to_at
          ) / 3600
        )::numeric,
        2
      ) as median_hours_to_close,
      round(
        (
          percentile_cont(0.9) within group (order by extract(epoch from a.closed_at - a.created_at)) filter (
            where a.closed_at >= (scope).from_at and a.closed_at < (scope).to_at
          ) / 3600
        )::numeric,
        2
      ) as p90_hours_to_close,
      '308a1iiD-items' as counted_in
    from tenancy.tenant t
      cross join (values (1, 'critical'), (2, 'high'), (3, 'medium'), (4, 'low')) severities(rank, severity)
      left join review.anomalies_as_of(scope) a on a.tenant = t.slug
        and a.severity = severities.severity
        and a.created_at < (scope).to_at
        and (a.created_at >= (scope).from_at or a.closed_at is null or a.closed_at >= (scope).from_at)
    where t.id = any ((scope).tenants) and t.created_at <= (scope).as_of
    group by t.slug, severities.rank, severities.severity having count(a.id) > 0
    order by t.slug collate "C", severities.rank
  ) line
$$;
