-- 164.308(a)(3)(ii)(C): memberships that were terminated in the period, and what happened under them after their end.
create or replace function review.evidence_308a3iiC_leavers(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with late_use as (
    select a.actor_id, a.tenant, string_agg(a.id || ' ' || a.state, '; ' order by a.id) as anomalies
    from review.anomalies_as_of(scope) a
    where a.rule_id like 'A03%'
    group by a.actor_id, a.tenant
  )
  select to_json(line)
  from (
    select m.id as membership_id, t.slug as tenant, u.slug as "user", u.id as user_id, u.kind, m.role, m.started_at,
      m.ended_on, m.terminated_at as disabled_at, terminator.slug as disabled_by,
      round(
        extract(epoch from m.terminated_at - (m.ended_on + 1)::timestamp at time zone 'UTC') / 3600, 2
      ) as lag_hours,
      account.disabled_at as account_disabled_at, newest.recorded_at as last_event_at, newest.event_id as last_event_id,
      later.n as events_after_end, later.ids as events_after_end_ids, late_use.anomalies, m.reason, termination.event_id
    from tenancy.membership m
      join tenancy.tenant t on t.id = m.tenant_id
      join tenancy.users u on u.id = m.user_id
      left join tenancy.users terminator on terminator.id = m.terminated_by
      left join late_use on late_use.actor_id = m.user_id and late_use.tenant = t.slug
      left join lateral (
        select ul.disabled_at
        from tenancy.user_log ul
        where ul.user_id = m.user_id and ul.at <= (scope).as_of
        order by ul.id desc limit 1
      ) account on true
      left join lateral (
        select e.recorded_at, e.event_id
        from review.sealed_event e
        where e.tenant_id = m.tenant_id and e.user_id = m.user_id and e.sealed_at <= (scope).as_of
        order by e.recorded_at desc, e.event_id desc limit 1
      ) newest on true
      left join lateral (
        select count(*) as n,
          string_agg(numbered.event_id::text, ' ' order by numbered.event_id) filter (where numbered.r <= 2000) as ids
        from (
          select e.event_id, row_number() over (order by e.event_id) as r
          from review.sealed_event e
          where e.tenant_id = m.tenant_id
            and e.user_id = m.user_id
            and e.membership_id = m.id
            and e.sealed_at <= (scope).as_of
            and coalesce(e.occurred_at, e.recorded_at)
              >= coalesce((m.ended_on + 1)::timestamp at time zone 'UTC', m.terminated_at)
        ) numbered
      ) later on true
      left join lateral (
        select e.event_id
        from review.sealed_event e
        where e.tenant_id = m.tenant_id
          and e.recorded_at between m.terminated_at - interval '1 minute' and m.terminated_at + interval '1 minute'
          and e.action = 'terminate'
          and e.detail::jsonb->>'membership' = m.id::text
          and e.sealed_at <= (scope).as_of
        order by e.event_id limit 1
      ) termination on true
    where m.tenant_id = any ((scope).tenants)
      and m.terminated_at >= (scope).from_at
      and m.terminated_at < (scope).to_at
      and m.terminated_at <= (scope).as_of
    order by m.terminated_at, m.id
  ) line
$$;
