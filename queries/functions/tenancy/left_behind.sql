-- What else a person has: shown before anything of theirs is ended, cut to the reach of who looks.
create or replace function tenancy.left_behind(person uuid, who uuid)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'services', coalesce((
      select jsonb_agg(service.slug order by service.slug)
      from tenancy.users service
      where service.owner_id = person and service.disabled_at is null and tenancy.sees_user(who, service.id)
    ), '[]'),
    'grants', coalesce((
      select jsonb_agg(g.role || ' of ' || coalesce(t.slug, 'every clinic') order by g.starts_at)
      from tenancy.reviewer_grant g left join tenancy.tenant t on t.id = g.tenant_id
      where g.user_id = person
        and g.ended_at is null
        and (g.expires_at is null or g.expires_at > clock_timestamp())
        and tenancy.sees(who, g.tenant_id)
    ), '[]'),
    'on_call', coalesce((
      select jsonb_agg(coalesce(t.slug, '*') order by t.slug nulls first)
      from tenancy.on_call o left join tenancy.tenant t on t.id = o.tenant_id
      where o.user_id = person and o.removed_at is null and tenancy.sees(who, o.tenant_id)
    ), '[]')
  )
$$;
