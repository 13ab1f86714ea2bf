-- What a day's digest says. since: the digest before it.
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
      select jsonb_agg(to_jsonb(x) order by x.critical desc, x.high desc, x.medium desc, x.low desc, x.tenant)
      from (
        select q.slug as tenant, count(*) filter (where q.severity = 'critical') as critical,
          count(*) filter (where q.severity = 'high') as high, count(*) filter (where q.severity = 'medium') as medium,
          count(*) filter (where q.severity = 'low') as low
        from open q
        group by q.slug order by 2 desc, 3 desc, 4 desc, 5 desc, 1 limit 100
      ) x
    ), '[]'),
    'oldest', (
      select jsonb_build_object(
        'tenant', q.slug, 'anomaly_id', q.id, 'rule_id', q.rule_id, 'severity', q.severity, 'found_at', q.created_at
      )
      from open q
      order by q.created_at, q.id limit 1
    ),
    'clocks', coalesce((
      select jsonb_agg(to_jsonb(x))
      from (
        select c.slug as tenant, c.anomaly_id, c.due_on, c.days_left
        from clocks c
        order by c.due_on, c.anomaly_id limit 50
      ) x
    ), '[]'),
    'clocks_overdue', (select count(*) from clocks c where c.days_left < 0),
    'clocks_under_ten_days', (select count(*) from clocks c where c.days_left >= 0),
    'late', coalesce((
      select jsonb_agg(distinct q.facts->>'what')
      from open q
      where q.rule_id = 'S02-late-rule'
        and (q.facts->>'what' = 'sealing' or exists (select from review.rule r where r.id = q.facts->>'what'))
    ), '[]'),
    'failed', coalesce((
      select jsonb_agg(to_jsonb(x))
      from (
        select d.target, count(*) as alerts
        from review.delivery d
        where d.state = 'failed' and d.done_at > since
        group by d.target order by 1
      ) x
    ), '[]'),
    'waiting', (select count(*) from review.delivery d where d.state = 'waiting'),
    'suppressions', review.suppressions_ending()
  )
  from open o
$$;
