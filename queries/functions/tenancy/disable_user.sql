-- Ends a person everywhere: memberships, grants, standing on call, secrets and sessions. The user_id stays theirs.
create or replace function tenancy.disable_user(who text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  u tenancy.users;
  by_user uuid;
  m tenancy.membership;
  g tenancy.reviewer_grant;
  memberships int := 0;
  grants int := 0;
  sessions int;
  e bigint;
  live uuid[];
begin
  perform tenancy.lock_administrators();
  by_user := tenancy.reviewer_of('terminate', null);
  -- a key share, as of an uncommitted row that names this person, is not waited for
  select * into u from tenancy.users x where x.id = tenancy.user_named(who) for no key update;
  if u.slug = 'ward-worker' then raise exception 'ward-worker is ward itself' using errcode = '55000'; end if;
  if u.id = by_user then raise exception 'nobody disables themself' using errcode = 'WARD2'; end if;
  if u.disabled_at is not null then
    raise exception '% was disabled at % UTC already',
      u.slug, to_char(u.disabled_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
      using errcode = '55000';
  end if;
  if exists (
    select from tenancy.reviewer_grant x
    where x.user_id = u.id and x.ended_at is null and (x.expires_at is null or x.expires_at > clock_timestamp())
  ) then
    perform tenancy.reviewer_of('grant', null);  -- ending a reviewer is an administrator's
  end if;
  select array_agg(s.session_id) into live
  from tenancy.session s
  where s.user_id = u.id and s.revoked_at is null and s.expires_at > clock_timestamp();
  for m in
    select * from tenancy.membership x where x.user_id = u.id and x.terminated_at is null order by x.started_at
  loop
    perform tenancy.close_membership(m, reason, null);
    memberships := memberships + 1;
  end loop;
  for g in
    select *
    from tenancy.reviewer_grant x
    where x.user_id = u.id and x.ended_at is null and (x.expires_at is null or x.expires_at > clock_timestamp())
  loop
    perform tenancy.close_grant(g, reason);
    grants := grants + 1;
  end loop;
  update tenancy.on_call x set removed_at = clock_timestamp() where x.user_id = u.id and x.removed_at is null;
  update tenancy.service_secret x set ended_at = clock_timestamp() where x.user_id = u.id and x.ended_at is null;
  perform tenancy.end_sessions(array(
    select s.session_id from tenancy.session s where s.user_id = u.id and s.revoked_at is null
  ), 'user disabled');
  update tenancy.users x set disabled_at = clock_timestamp() where x.id = u.id;
  perform tenancy.keep_administrator();
  sessions := coalesce(cardinality(live), 0);
  e := audit.write(tenancy.installation(), 'terminate', 'ok', jsonb_build_object(
    'what', 'user disable', 'user', u.id, 'memberships', memberships, 'grants', grants, 'sessions', sessions,
    'reason', core.require_reason(reason)
  )::text);
  return jsonb_build_object(
    'user_id', u.id, 'memberships_ended', memberships, 'grants_ended', grants, 'sessions_ended', sessions, 'event_id', e
  );
end $$;

grant execute on function tenancy.disable_user to ward_reviewer;
