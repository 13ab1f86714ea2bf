create or replace function review.evidence_308a1iiD_queue(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select t.slug as tenant, v.severity,
      count(a.id) filter (
        where a.created_at < (s).from_at and (a.closed_at is null or a.closed_at >= (s).from_at)
      ) as open_at_start,
      count(a.id) filter (where a.created_at >= (s).from_at) as found,
      count(a.id) filter (where a.closed_at >= (s).from_at and a.closed_at < (s).to_at) as closed,
      count(a.id) filter (where a.closed_at is null or a.closed_at >= (s).to_at) as open_at_end,
      round(
        extract(
          epoch from (s).to_at - min(a.created_at) filter (where a.closed_at is null or a.closed_at >= (s).to_at)
        ) / 3600,
        2
      ) as oldest_open_hours,
      round(
        (
          percentile_cont(0.5) within group (order by extract(epoch from a.claimed_at - a.created_at)) filter (
            where a.created_at >= (s).from_at
          ) / 3600
        )::numeric,
        2
      ) as median_hours_to_claim,
      round(
        (
          percentile_cont(0.9) within group (order by extract(epoch from a.claimed_at - a.created_at)) filter (
            where a.created_at >= (s).from_at
          ) / 3600
        )::numeric,
        2
      ) as p90_hours_to_claim,
      round(
        (
          percentile_cont(0.5) within group (order by extract(epoch from a.closed_at - a.created_at)) filter (
            where a.closed_at >= (s).from_at and a.closed_at < (s).to_at
          ) / 3600
        )::numeric,
        2
      ) as median_hours_to_close,
      round(
        (
          percentile_cont(0.9) within group (order by extract(epoch from a.closed_at - a.created_at)) filter (
            where a.closed_at >= (s).from_at and a.closed_at < (s).to_at
          ) / 3600
        )::numeric,
        2
      ) as p90_hours_to_close,
      '308a1iiD-items' as counted_in
    from tenancy.tenant t
      cross join (values (1, 'critical'), (2, 'high'), (3, 'medium'), (4, 'low')) v(n, severity)
      left join review.anomalies_as_of(s) a on a.tenant = t.slug
        and a.severity = v.severity
        and a.created_at < (s).to_at
        and (a.created_at >= (s).from_at or a.closed_at is null or a.closed_at >= (s).from_at)
    where t.id = any ((s).tenants) and t.created_at <= (s).as_of
    group by t.slug, v.n, v.severity having count(a.id) > 0
    order by t.slug collate "C", v.n
  ) x
$$;
