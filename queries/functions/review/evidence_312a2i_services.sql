create or replace function review.evidence_312a2i_services(s review.bundle_scope)
  returns setof json
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  select to_json(x)
  from (
    select u.slug as service, u.id as user_id, o.slug as owner, o.name as owner_name, l.disabled_at, p.action,
      p.record_table,
      coalesce(t.slug, case when p.action is not null then '*' end) as tenant,
      p.from_hour, p.to_hour, p.at as declared_at,
      (
        select min(e.event_id)
        from audit.event e join audit.chain k on k.event_id = e.event_id
        where e.xid = p.xid and e.action = 'configure' and e.tenant_id = any ((s).tenants) and k.sealed_at <= (s).as_of
      ) as event_id
    from tenancy.users u
      left join lateral (
        select y.owner_id, y.disabled_at
        from tenancy.user_log y
        where y.user_id = u.id and y.at <= (s).as_of
        order by y.id desc limit 1
      ) l on true
      left join tenancy.users o on o.id = l.owner_id
      left join (
        select distinct on (y.user_id, y.tenant_id, y.action, y.record_table, y.from_hour) y.*
        from tenancy.service_permission_log y
        where y.at <= (s).as_of
        order by y.user_id, y.tenant_id, y.action, y.record_table, y.from_hour, y.id desc
      ) p on p.user_id = u.id and not p.removed and (p.tenant_id is null or p.tenant_id = any ((s).tenants))
      left join tenancy.tenant t on t.id = p.tenant_id
    where u.kind = 'service'
      and u.slug <> 'ward-worker'
      and u.created_at <= (s).as_of
      and (
        tenancy.installation() = any ((s).tenants)
        or exists (
          select from tenancy.membership m
          where m.user_id = u.id and m.tenant_id = any ((s).tenants) and m.started_at <= (s).as_of
        )
      )
    order by u.slug collate "C", p.record_table collate "C", p.action, t.slug collate "C" nulls first, p.from_hour
  ) x
$$;
