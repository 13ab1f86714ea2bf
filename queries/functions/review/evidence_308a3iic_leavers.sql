-- 164.308(a)(3)(ii)(C)
create or replace function review.evidence_308a3iiC_leavers(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with f as (
    select y.actor_id, y.tenant, string_agg(y.id || ' ' || y.state, '; ' order by y.id) as anomalies
    from review.anomalies_as_of(s) y
    where y.rule_id like 'A03%'
    group by y.actor_id, y.tenant
  )
  select to_json(x)
  from (
    select m.id as membership_id, t.slug as tenant, u.slug as "user", u.id as user_id, u.kind, m.role, m.started_at,
      m.ended_on, m.terminated_at as disabled_at, b.slug as disabled_by,
      round(
        extract(epoch from m.terminated_at - (m.ended_on + 1)::timestamp at time zone 'UTC') / 3600, 2
      ) as lag_hours,
      l.disabled_at as account_disabled_at, e.recorded_at as last_event_at, e.event_id as last_event_id,
      a.n as events_after_end, a.ids as events_after_end_ids, f.anomalies, m.reason, k.event_id
    from tenancy.membership m
      join tenancy.tenant t on t.id = m.tenant_id
      join tenancy.users u on u.id = m.user_id
      left join tenancy.users b on b.id = m.terminated_by
      left join f on f.actor_id = m.user_id and f.tenant = t.slug
      left join lateral (
        select y.disabled_at
        from tenancy.user_log y
        where y.user_id = m.user_id and y.at <= (s).as_of
        order by y.id desc limit 1
      ) l on true
      left join lateral (
        select y.recorded_at, y.event_id
        from review.sealed_event y
        where y.tenant_id = m.tenant_id and y.user_id = m.user_id and y.sealed_at <= (s).as_of
        order by y.recorded_at desc, y.event_id desc limit 1
      ) e on true
      left join lateral (
        select count(*) as n, string_agg(z.event_id::text, ' ' order by z.event_id) filter (where z.r <= 2000) as ids
        from (
          select y.event_id, row_number() over (order by y.event_id) as r
          from review.sealed_event y
          where y.tenant_id = m.tenant_id
            and y.user_id = m.user_id
            and y.membership_id = m.id
            and y.sealed_at <= (s).as_of
            and coalesce(y.occurred_at, y.recorded_at)
              >= coalesce((m.ended_on + 1)::timestamp at time zone 'UTC', m.terminated_at)
        ) z
      ) a on true
      left join lateral (
        select y.event_id
        from review.sealed_event y
        where y.tenant_id = m.tenant_id
          and y.recorded_at between m.terminated_at - interval '1 minute' and m.terminated_at + interval '1 minute'
          and y.action = 'terminate'
          and y.detail::jsonb->>'membership' = m.id::text
          and y.sealed_at <= (s).as_of
        order by y.event_id limit 1
      ) k on true
    where m.tenant_id = any ((s).tenants)
      and m.terminated_at >= (s).from_at
      and m.terminated_at < (s).to_at
      and m.terminated_at <= (s).as_of
    order by m.terminated_at, m.id
  ) x
$$;
