create or replace function tenancy.member_row(m tenancy.membership)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'id', m.id, 'tenant', t.slug, 'tenant_name', t.name, 'region', t.region, 'user_id', u.id, 'user', u.slug,
    'name', u.name, 'kind', u.kind, 'role', m.role, 'started_at', m.started_at, 'patient_id', m.patient_id,
    'ended_on', m.ended_on, 'terminated_at', m.terminated_at, 'terminated_by', b.slug, 'reason', m.reason,
    'live_sessions', (
      select count(*)
      from tenancy.session s
      where s.membership_id = m.id and s.revoked_at is null and s.expires_at > clock_timestamp()
    )
  )
  from tenancy.tenant t, tenancy.users u left join tenancy.users b on b.id = m.terminated_by
  where t.id = m.tenant_id and u.id = m.user_id
$$;
