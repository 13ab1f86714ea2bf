-- The users within reach, each with the memberships within reach.
create or replace function tenancy.list_users()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.user_id();
begin
  perform tenancy.the_ask('list:users');
  return query select jsonb_build_object(
    'id', u.id, 'slug', u.slug, 'name', u.name, 'kind', u.kind, 'owner', owner.slug, 'created_at', u.created_at,
    'disabled_at', u.disabled_at,
    'memberships', coalesce((
      select jsonb_agg(jsonb_build_object(
        'tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at
      ) order by m.started_at)
      from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id
      where m.user_id = u.id and tenancy.reaches(who, m.tenant_id, 'browse')
    ), '[]')
  )
  from tenancy.users u left join tenancy.users owner on owner.id = u.owner_id
  where tenancy.sees_user(who, u.id)
  order by u.slug;
end $$;

grant execute on function tenancy.list_users to ward_reviewer;
