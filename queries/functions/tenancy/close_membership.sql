create or replace function tenancy.close_membership(m tenancy.membership, reason text, ended_on date)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  n int;
  e bigint;
begin
  e := audit.write(m.tenant_id, 'terminate', 'ok', jsonb_build_object(
    'membership', m.id, 'user', m.user_id, 'role', m.role, 'reason', core.require_reason(reason), 'ended_on', ended_on
  )::text);
  update tenancy.membership x
  set terminated_at = clock_timestamp(), terminated_by = tenancy.user_id(), reason = close_membership.reason,
    ended_on = coalesce(close_membership.ended_on, x.ended_on)
  where x.id = m.id;
  n := tenancy.end_sessions(array(
    select s.session_id from tenancy.session s where s.membership_id = m.id and s.revoked_at is null
  ), 'membership terminated');
  return jsonb_build_object('membership', m.id, 'user_id', m.user_id, 'sessions_ended', n, 'event_id', e);
end $$;
