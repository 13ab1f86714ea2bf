-- Who is signed in, and what the database lets them do: their grants, standing on call and actions.
create or replace function tenancy.whoami()
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare claims jsonb := tenancy.claims();
begin
  if claims is null then raise exception 'nobody is signed in: ward login' using errcode = '28000'; end if;
  perform audit.write(coalesce((claims->>'tid')::uuid, tenancy.installation()), 'browse', 'ok', '{"screen":"whoami"}');
  return (
    select jsonb_build_object(
      'user_id', u.id, 'slug', u.slug, 'name', u.name, 'session_id', claims->>'sid', 'region', tenancy.region_here(),
      'must_enroll', claims->>'aud' = 'review' and tenancy.must_enroll((claims->>'sid')::uuid),
      'session_expires_at', (select s.expires_at from tenancy.session s where s.session_id = (claims->>'sid')::uuid),
      'grants', coalesce((
        select jsonb_agg(jsonb_build_object(
          'id', g.id, 'role', g.role, 'tenant', t.slug, 'expires_at', g.expires_at, 'reason', g.reason
        ) order by g.starts_at)
        from tenancy.grant_in_force g left join tenancy.tenant t on t.id = g.tenant_id
        where g.user_id = u.id
      ), '[]'),
      'on_call', coalesce((
        select jsonb_agg(coalesce(t.slug, '*') order by t.slug nulls first)
        from tenancy.on_call o left join tenancy.tenant t on t.id = o.tenant_id
        where o.user_id = u.id and o.removed_at is null
      ), '[]'),
      'actions', coalesce((
        select jsonb_agg(distinct a.action order by a.action)
        from tenancy.grant_in_force g join tenancy.reviewer_action a on a.role = g.role
        where g.user_id = u.id
      ), '[]')
    )
    from tenancy.users u
    where u.id = (claims->>'sub')::uuid
  );
end $$;

grant execute on function tenancy.whoami to ward_app, ward_reviewer;
