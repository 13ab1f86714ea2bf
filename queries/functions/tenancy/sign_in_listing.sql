-- The lists of this file, for tenancy.listing: sessions, keys, applications.
create or replace function tenancy.sign_in_listing(what text, ids uuid[]) returns setof jsonb language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  (select jsonb_build_object('id', s.session_id, 'user_id', u.id, 'user', u.slug, 'name', u.name, 'kind', u.kind, 'tenant', t.slug, 'role', m.role, 'aud', s.aud, 'method', s.method, 'second_factor', s.second_factor,
      'created_at', s.created_at, 'expires_at', s.expires_at, 'refreshed_at', (select max(r.issued_at) from tenancy.refresh_token r where r.session_id = s.session_id and r.issued_at > s.created_at + interval '1 second'))
    from tenancy.session s join tenancy.users u on u.id = s.user_id left join tenancy.tenant t on t.id = s.tenant_id left join tenancy.membership m on m.id = s.membership_id
    where what = 'sessions' and s.session_id = any (ids) and s.revoked_at is null and s.expires_at > clock_timestamp() and tenancy.reaches_session(tenancy.user_id(), s, 'browse') order by s.created_at desc)
  union all
  (select jsonb_build_object('kid', k.kid, 'created_at', k.created_at, 'retire_at', k.retire_at, 'retired_at', k.retired_at,
      'state', case when k.retired_at is not null or k.retire_at <= clock_timestamp() then 'retired' when k.retire_at is not null then 'verifies' else 'signs' end)
    from tenancy.signing_key k where what = 'keys' order by k.created_at desc limit 500)
  union all
  (select jsonb_build_object('aud', a.aud, 'login_role', a.login_role, 'note', a.note, 'created_at', a.created_at) from tenancy.application a where what = 'applications' order by a.created_at, a.aud)
$$;
