-- What the digest of a day says. since: the time of the digest before it.
create or replace function review.digest(since timestamptz)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  with open as (select a.*, t.slug from review.anomaly a join tenancy.tenant t on t.id = a.tenant_id where a.open),
  clocks as (
    select c.*, t.slug, c.due_on - core.today() as days_left
    from review.clock c join tenancy.tenant t on t.id = c.tenant_id
    where c.due_on < core.today() + 10
  )
  select jsonb_build_object(
    'since', since,
    'open', jsonb_build_object(
      'critical', count(*) filter (where o.severity = 'critical'), 'high', count(*) filter (where o.severity = 'high'),
      'medium', count(*) filter (where o.severity = 'medium'), 'low', count(*) filter (where o.severity = 'low'),
      'new', count(*) filter (where o.created_at > since)
    ),
    'tenants', coalesce((
      select jsonb_agg(
        to_jsonb(line) order by line.critical desc, line.high desc, line.medium desc, line.low desc, line.tenant
      )
      from (
        select o.slug as tenant, count(*) filter (where o.severity = 'critical') as critical,
          count(*) filter (where o.severity = 'high') as high, count(*) filter (where o.severity = 'medium') as medium,
          count(*) filter (where o.severity = 'low') as low
        from open o
        group by o.slug order by 2 desc, 3 desc, 4 desc, 5 desc, 1 limit 100
      ) line
    ), '[]'),
    'oldest', (
      select jsonb_build_object(
        'tenant', o.slug, 'anomaly_id', o.id, 'rule_id', o.rule_id, 'severity', o.severity, 'found_at', o.created_at
      )
      from open o
      order by o.created_at, o.id limit 1
    ),
    'clocks', coalesce((
      select jsonb_agg(to_jsonb(line))
      from (
        select c.slug as tenant, c.anomaly_id, c.due_on, c.days_left
        from clocks c
        order by c.due_on, c.anomaly_id limit 50
      ) line
    ), '[]'),
    'clocks_overdue', (select count(*) from clocks c where c.days_left < 0),
    'clocks_under_ten_days', (select count(*) from clocks c where c.days_left >= 0),
    'late', coalesce((
      select jsonb_agg(distinct o.facts->>'what')
      from open o
      where o.rule_id = 'S02-late-rule'
        and (o.facts->>'what' = 'sealing' or exists (select from review.rule r where r.id = o.facts->>'what'))
    ), '[]'),
    'failed', coalesce((
      select jsonb_agg(to_jsonb(line))
      from (
        select d.target, count(*) as alerts
        from review.delivery d
        where d.state = 'failed' and d.done_at > since
        group by d.target order by 1
      ) line
    ), '[]'),
    'waiting', (select count(*) from review.delivery d where d.state = 'waiting'),
    'suppressions', review.suppressions_ending()
  )
  from open o
$$;
