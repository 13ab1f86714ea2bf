create or replace function tenancy.service_row(u tenancy.users, who uuid)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'id', u.id, 'slug', u.slug, 'name', u.name,
    'owner', (select o.slug from tenancy.users o where o.id = u.owner_id),
    'ownerless', tenancy.ownerless(u), 'disabled_at', u.disabled_at,
    'memberships', coalesce((
      select jsonb_agg(jsonb_build_object(
        'tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at
      ) order by m.started_at, t.slug)
      from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id
      where m.user_id = u.id and tenancy.reaches(who, m.tenant_id, 'browse')
    ), '[]'),
    'declared', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'action', p.action, 'record_table', p.record_table, 'tenant', t.slug, 'from_hour', p.from_hour,
          'to_hour', p.to_hour
        ) order by p.record_table, p.action, t.slug nulls first, p.from_hour
      )
      from tenancy.service_permission p left join tenancy.tenant t on t.id = p.tenant_id
      where p.user_id = u.id and (p.tenant_id is null or tenancy.reaches(who, p.tenant_id, 'browse'))
    ), '[]'),
    'secrets', coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', s.id, 'created_at', s.created_at, 'created_by', b.slug, 'expires_at', s.expires_at
      ) order by s.created_at)
      from tenancy.service_secret s join tenancy.users b on b.id = s.created_by
      where s.user_id = u.id and s.ended_at is null and s.expires_at > clock_timestamp()
    ), '[]')
  )
$$;
