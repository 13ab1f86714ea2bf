-- 164.312(a)(2)(i)
create or replace function review.evidence_312a2i_users(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select u.id as user_id, u.slug as "user", u.name, u.kind, u.created_at, c.by_user as created_by, l.disabled_at,
      f.at as first_event_at, z.at as last_event_at, f.event_id as first_event_id, z.event_id as last_event_id,
      (
        select string_agg(
          t.slug || ' ' || m.role || ' since ' || to_char(m.started_at at time zone 'UTC', 'YYYY-MM-DD') || case
            when m.terminated_at <= (s).as_of
            then ' until ' || to_char(m.terminated_at at time zone 'UTC', 'YYYY-MM-DD')
            else ''
          end,
          '; ' order by t.slug collate "C", m.started_at, m.id
        )
        from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id
        where m.user_id = u.id and m.tenant_id = any ((s).tenants) and m.started_at <= (s).as_of
      ) as memberships,
      c.event_id as created_event_id
    from tenancy.users u
      left join lateral (
        select y.disabled_at
        from tenancy.user_log y
        where y.user_id = u.id and y.at <= (s).as_of
        order by y.id desc limit 1
      ) l on true
      left join lateral (
        select y.event_id, b.slug as by_user
        from review.sealed_event y left join tenancy.users b on b.id = y.user_id
        where y.tenant_id = tenancy.installation()
          and y.tenant_id = any ((s).tenants)
          and y.action = 'configure'
          and y.detail::jsonb->>'what' = 'user add'
          and y.detail::jsonb->>'user' = u.id::text
          and y.recorded_at >= u.created_at
          and y.recorded_at < u.created_at + interval '1 minute'
          and y.sealed_at <= (s).as_of
        order by y.event_id limit 1
      ) c on true
      left join lateral (
        select y.recorded_at as at, y.event_id
        from unnest((s).tenants) t
          cross join lateral (
            select e.recorded_at, e.event_id
            from review.sealed_event e
            where e.tenant_id = t and e.user_id = u.id and e.sealed_at <= (s).as_of
            order by e.recorded_at, e.event_id limit 1
          ) y
        order by 1, 2 limit 1
      ) f on true
      left join lateral (
        select y.recorded_at as at, y.event_id
        from unnest((s).tenants) t
          cross join lateral (
            select e.recorded_at, e.event_id
            from review.sealed_event e
            where e.tenant_id = t and e.user_id = u.id and e.sealed_at <= (s).as_of
            order by e.recorded_at desc, e.event_id desc limit 1
          ) y
        order by 1 desc, 2 desc limit 1
      ) z on true
    where u.created_at <= (s).as_of
      and (
        tenancy.installation() = any ((s).tenants)
        or exists (
          select from tenancy.membership m
          where m.user_id = u.id and m.tenant_id = any ((s).tenants) and m.started_at <= (s).as_of
        )
      )
    order by u.slug collate "C"
  ) x
$$;
