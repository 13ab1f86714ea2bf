-- One user, with what disabling it would do.
create or replace function tenancy.show_user()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  ask tenancy.disclosure := tenancy.the_ask('list:user');
  who uuid := tenancy.user_id();
begin
  return query select jsonb_build_object(
    'id', u.id, 'slug', u.slug, 'name', u.name, 'kind', u.kind, 'owner', owner.slug, 'created_at', u.created_at,
    'disabled_at', u.disabled_at,
    'live_sessions', (
      select count(*)
      from tenancy.session s
      where s.user_id = u.id
        and s.revoked_at is null
        and s.expires_at > clock_timestamp()
        and tenancy.sees(who, s.tenant_id)
    ),
    'memberships', coalesce((
      select jsonb_agg(jsonb_build_object(
        'tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at
      ) order by m.started_at)
      from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id
      where m.user_id = u.id and tenancy.reaches(who, m.tenant_id, 'browse')
    ), '[]')
  ) || tenancy.left_behind(u.id, who)
  from tenancy.users u left join tenancy.users owner on owner.id = u.owner_id
  where u.id = ask.ids[1] and tenancy.sees_user(who, u.id);
end $$;

grant execute on function tenancy.show_user to ward_reviewer;
