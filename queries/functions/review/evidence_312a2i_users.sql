-- 164.312(a)(2)(i): users, their memberships and their first and last events.
create or replace function review.evidence_312a2i_users(scope review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(line)
  from (
    select u.id as user_id, u.slug as "user", u.name, u.kind, u.created_at, creation.by_user as created_by,
      account.disabled_at, oldest.at as first_event_at, newest.at as last_event_at, oldest.event_id as first_event_id,
      newest.event_id as last_event_id,
      (
        select string_agg(
          t.slug || ' ' || m.role || ' since ' || to_char(m.started_at at time zone 'UTC', 'YYYY-MM-DD') || case
            when m.terminated_at <= (scope).as_of
            then ' until ' || to_char(m.terminated_at at time zone 'UTC', 'YYYY-MM-DD')
            else ''
          end,
          '; ' order by t.slug collate "C", m.started_at, m.id
        )
        from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id
        where m.user_id = u.id and m.tenant_id = any ((scope).tenants) and m.started_at <= (scope).as_of
      ) as memberships,
      creation.event_id as created_event_id
    from tenancy.users u
      left join lateral (
        select ul.disabled_at
        from tenancy.user_log ul
        where ul.user_id = u.id and ul.at <= (scope).as_of
        order by ul.id desc limit 1
      ) account on true
      left join lateral (
        select e.event_id, creator.slug as by_user
        from review.sealed_event e left join tenancy.users creator on creator.id = e.user_id
        where e.tenant_id = tenancy.installation()
          and e.tenant_id = any ((scope).tenants)
          and e.action = 'configure'
          and e.detail::jsonb->>'what' = 'user add'
          and e.detail::jsonb->>'user' = u.id::text
          and e.recorded_at >= u.created_at
          and e.recorded_at < u.created_at + interval '1 minute'
          and e.sealed_at <= (scope).as_of
        order by e.event_id limit 1
      ) creation on true
      left join lateral (
        select event.recorded_at as at, event.event_id
        from unnest((scope).tenants) tenant
          cross join lateral (
            select e.recorded_at, e.event_id
            from review.sealed_event e
            where e.tenant_id = tenant and e.user_id = u.id and e.sealed_at <= (scope).as_of
            order by e.recorded_at, e.event_id limit 1
          ) event
        order by 1, 2 limit 1
      ) oldest on true
      left join lateral (
        select event.recorded_at as at, event.event_id
        from unnest((scope).tenants) tenant
          cross join lateral (
            select e.recorded_at, e.event_id
            from review.sealed_event e
            where e.tenant_id = tenant and e.user_id = u.id and e.sealed_at <= (scope).as_of
            order by e.recorded_at desc, e.event_id desc limit 1
          ) event
        order by 1 desc, 2 desc limit 1
      ) newest on true
    where u.created_at <= (scope).as_of
      and (
        tenancy.installation() = any ((scope).tenants)
        or exists (
          select from tenancy.membership m
          where m.user_id = u.id and m.tenant_id = any ((scope).tenants) and m.started_at <= (scope).as_of
        )
      )
    order by u.slug collate "C"
  ) line
$$;
