-- Ends a person everywhere: memberships, grants, standing on call, secrets and sessions. The user_id stays theirs.
create or replace function tenancy.disable_user(who text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  person tenancy.users;
  by_user uuid;
  member tenancy.membership;
  held tenancy.reviewer_grant;
  memberships int := 0;
  grants int := 0;
  sessions int;
  event_id bigint;
  live uuid[];
begin
  perform tenancy.lock_administrators();
  by_user := tenancy.reviewer_of('terminate', tenant => null);
  -- a key share, as of an uncommitted row that names this person, is not waited for
  select * into person from tenancy.users u where u.id = tenancy.user_named(who) for no key update;
  if person.slug = 'ward-worker' then
    raise exception 'ward-worker cannot be disabled: it is the account of the worker' using errcode = '55000';
  end if;
  if person.id = by_user then
    raise exception 'you cannot disable yourself: another administrator has to do it' using errcode = 'WARD2';
  end if;
  if person.disabled_at is not null then
    raise exception 'user % was disabled at % UTC already',
      person.slug, to_char(person.disabled_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
      using errcode = '55000';
  end if;
  if exists (
    select from tenancy.reviewer_grant g
    where g.user_id = person.id and g.ended_at is null and (g.expires_at is null or g.expires_at > clock_timestamp())
  ) then
    perform tenancy.reviewer_of('grant', tenant => null);  -- ending a reviewer is an administrator's
  end if;
  select array_agg(s.session_id) into live
  from tenancy.session s
  where s.user_id = person.id and s.revoked_at is null and s.expires_at > clock_timestamp();
  for member in
    select * from tenancy.membership m where m.user_id = person.id and m.terminated_at is null order by m.started_at
  loop
    perform tenancy.close_membership(member, reason, ended_on => null);
    memberships := memberships + 1;
  end loop;
  for held in
    select *
    from tenancy.reviewer_grant g
    where g.user_id = person.id and g.ended_at is null and (g.expires_at is null or g.expires_at > clock_timestamp())
  loop
    perform tenancy.close_grant(held, reason);
    grants := grants + 1;
  end loop;
  update tenancy.on_call o set removed_at = clock_timestamp() where o.user_id = person.id and o.removed_at is null;
  update tenancy.service_secret ss set ended_at = clock_timestamp()
  where ss.user_id = person.id and ss.ended_at is null;
  perform tenancy.end_sessions(array(
    select s.session_id from tenancy.session s where s.user_id = person.id and s.revoked_at is null
  ), 'user disabled', refused_anyway => true);
  update tenancy.users u set disabled_at = clock_timestamp() where u.id = person.id;
  perform tenancy.keep_administrator();
  sessions := coalesce(cardinality(live), 0);
  event_id := audit.write(tenancy.installation(), 'terminate', 'ok', jsonb_build_object(
    'what', 'user disable', 'user', person.id, 'memberships', memberships, 'grants', grants, 'sessions', sessions,
    'reason', core.require_reason(reason)
  )::text);
  return jsonb_build_object(
    'user_id', person.id, 'memberships_ended', memberships, 'grants_ended', grants, 'sessions_ended', sessions,
    'event_id', event_id
  );
end $$;

grant execute on function tenancy.disable_user to ward_reviewer;
