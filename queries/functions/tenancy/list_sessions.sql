-- The sessions that the look named and that still live.
create or replace function tenancy.list_sessions()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare ask tenancy.disclosure := tenancy.the_ask('list:sessions');
begin
  return query select jsonb_build_object(
    'id', s.session_id, 'user_id', u.id, 'user', u.slug, 'name', u.name, 'kind', u.kind, 'tenant', t.slug,
    'role', m.role, 'aud', s.aud, 'method', s.method, 'second_factor', s.second_factor, 'created_at', s.created_at,
    'expires_at', s.expires_at,
    'refreshed_at', (
      select max(r.issued_at)
      from tenancy.refresh_token r
      where r.session_id = s.session_id and r.issued_at > s.created_at + interval '1 second'
    )
  )
  from tenancy.session s
    join tenancy.users u on u.id = s.user_id
    left join tenancy.tenant t on t.id = s.tenant_id
    left join tenancy.membership m on m.id = s.membership_id
  where s.session_id = any (ask.ids)
    and s.revoked_at is null
    and s.expires_at > clock_timestamp()
    and tenancy.reaches_session(tenancy.user_id(), s, 'browse')
  order by s.created_at desc;
end $$;

grant execute on function tenancy.list_sessions to ward_reviewer;
