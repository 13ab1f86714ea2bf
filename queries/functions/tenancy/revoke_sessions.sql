-- Ends sessions by an administrator: one by its id (or first characters), or all of a user, within reach; one event for
-- each, in its clinic.
create or replace function tenancy.revoke_sessions(session text, of_user text, reason text)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('revoke');
  person uuid := case when of_user is not null then tenancy.user_named(of_user) end;
  live tenancy.session;
  ended uuid[] := '{}';
  why text := core.require_reason(reason);
begin
  if (session is null) = (of_user is null) then
    raise exception 'name a session or a user, and not both' using errcode = '22023';
  end if;
  if session !~ '^[0-9a-fA-F-]{4,36}$' then
    raise exception '"%" is not a session id, nor the first four or more characters of one', session
      using errcode = '22023', hint = 'ward session list shows them';
  end if;
  for live in
    select s.*
    from tenancy.session s
    where s.revoked_at is null
      and s.expires_at > clock_timestamp()
      and (person is null or s.user_id = person)
      and (session is null or starts_with(s.session_id::text, lower(session)))
      and tenancy.reaches_session(who, s, 'revoke')
    order by s.session_id
  loop
    ended := ended || live.session_id;
  end loop;
  if session is not null and cardinality(ended) <> 1 then
    raise exception '% live sessions within your reach have an id that begins with "%": name one',
      cardinality(ended), session
      using errcode = '02000', hint = 'ward session list shows them';
  end if;
  for live in select * from tenancy.session s where s.session_id = any (ended) loop
    perform audit.write(
      coalesce(live.tenant_id, tenancy.installation()), 'revoke', 'ok',
      jsonb_build_object('session', live.session_id, 'user', live.user_id, 'reason', why)::text
    );
  end loop;
  if cardinality(ended) = 0 then
    perform audit.write(
      tenancy.installation(), 'revoke', 'ok', jsonb_build_object('session', null, 'user', person, 'reason', why)::text
    );
  end if;
  perform tenancy.end_sessions(ended, 'revoked by an administrator');
  return jsonb_build_object('sessions_ended', cardinality(ended), 'sessions', to_jsonb(ended));
end $$;

grant execute on function tenancy.revoke_sessions to ward_reviewer;
