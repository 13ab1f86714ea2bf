-- Ends a membership and its sessions, with the event. Its caller has asked who may.
create or replace function tenancy.close_membership(member tenancy.membership, reason text, ended_on date)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  sessions_ended int;
  event_id bigint;
begin
  event_id := audit.write(member.tenant_id, 'terminate', 'ok', jsonb_build_object(
    'membership', member.id, 'user', member.user_id, 'role', member.role, 'reason', core.require_reason(reason),
    'ended_on', ended_on
  )::text);
  update tenancy.membership m
  set terminated_at = clock_timestamp(), terminated_by = tenancy.user_id(), reason = close_membership.reason,
    ended_on = coalesce(close_membership.ended_on, m.ended_on)
  where m.id = member.id;
  sessions_ended := tenancy.end_sessions(array(
    select s.session_id from tenancy.session s where s.membership_id = member.id and s.revoked_at is null
  ), 'membership terminated', refused_anyway => true);
  return jsonb_build_object(
    'membership', member.id, 'user_id', member.user_id, 'sessions_ended', sessions_ended, 'event_id', event_id
  );
end $$;
