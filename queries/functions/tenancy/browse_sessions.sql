-- Records a look at live sessions, of one user or of everybody within reach, newest first and at most 500: each
-- clinic's event names the sessions that are shown.
create or replace function tenancy.browse_sessions(ask uuid, of_user text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer('browse');
  person uuid := case when of_user is not null then tenancy.user_named(of_user) end;
  ids uuid[];
  shown jsonb;
begin
  select array_agg(newest.session_id) into ids
  from (
    select s.session_id
    from tenancy.session s
    where s.revoked_at is null and s.expires_at > clock_timestamp() and (person is null or s.user_id = person)
      and tenancy.reaches_session(who, s, 'browse')
    order by s.created_at desc limit 500
  ) newest;
  select jsonb_object_agg(clinic.tenant_id, clinic.sessions) into shown
  from (
    select s.tenant_id, jsonb_agg(s.session_id) as sessions
    from tenancy.session s
    where s.session_id = any (ids) and s.tenant_id is not null
    group by 1
  ) clinic;
  perform tenancy.look(
    ask, what => 'list:sessions', action => 'browse', shown => shown,
    filter => jsonb_strip_nulls(jsonb_build_object('of', person)),
    ids => ids
  );
end $$;
