-- One membership as the lists show it.
create or replace function tenancy.member_row(member tenancy.membership)
  returns jsonb
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'id', member.id, 'tenant', t.slug, 'tenant_name', t.name, 'region', t.region, 'user_id', u.id, 'user', u.slug,
    'name', u.name, 'kind', u.kind, 'role', member.role, 'started_at', member.started_at,
    'patient_id', member.patient_id, 'ended_on', member.ended_on, 'terminated_at', member.terminated_at,
    'terminated_by', ender.slug, 'reason', member.reason,
    'live_sessions', (
      select count(*)
      from tenancy.session s
      where s.membership_id = member.id and s.revoked_at is null and s.expires_at > clock_timestamp()
    )
  )
  from tenancy.tenant t, tenancy.users u left join tenancy.users ender on ender.id = member.terminated_by
  where t.id = member.tenant_id and u.id = member.user_id
$$;
