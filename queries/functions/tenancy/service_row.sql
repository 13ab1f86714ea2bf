-- One service account as the lists show it, cut to the reach of who looks.
create or replace function tenancy.service_row(account tenancy.users, who uuid)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'id', account.id, 'slug', account.slug, 'name', account.name,
    'owner', (select u.slug from tenancy.users u where u.id = account.owner_id),
    'ownerless', tenancy.ownerless(account), 'disabled_at', account.disabled_at,
    'memberships', coalesce((
      select jsonb_agg(jsonb_build_object(
        'tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at
      ) order by m.started_at, t.slug)
      from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id
      where m.user_id = account.id and tenancy.reaches(who, m.tenant_id, 'browse')
    ), '[]'),
    'declared', coalesce((
      select jsonb_agg(
        jsonb_build_object(
          'action', p.action, 'record_table', p.record_table, 'tenant', t.slug, 'from_hour', p.from_hour,
          'to_hour', p.to_hour
        ) order by p.record_table, p.action, t.slug nulls first, p.from_hour
      )
      from tenancy.service_permission p left join tenancy.tenant t on t.id = p.tenant_id
      where p.user_id = account.id and (p.tenant_id is null or tenancy.reaches(who, p.tenant_id, 'browse'))
    ), '[]'),
    'secrets', coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', ss.id, 'created_at', ss.created_at, 'created_by', maker.slug, 'expires_at', ss.expires_at
      ) order by ss.created_at)
      from tenancy.service_secret ss join tenancy.users maker on maker.id = ss.created_by
      where ss.user_id = account.id and ss.ended_at is null and ss.expires_at > clock_timestamp()
    ), '[]')
  )
$$;
