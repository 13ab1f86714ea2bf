-- A refresh token works once. It may come again (a) within refresh_grace of its use, as from two tabs at once, and (b)
-- within refresh_parent, as long as its successor has not been used: the answer was lost. Both give that same
-- successor: there is never a second branch. Later, or for an older token, somebody holds a copy: the session is
-- revoked, and that stands although the call is refused, because refusing is an answer, not an error. A caller who
-- rolls back instead, to leave neither trace nor use, holds an access token that no committed transaction issued, which
-- tenancy.begin refuses.
create or replace function tenancy.refresh(token text)
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  sid uuid;
  t tenancy.refresh_token;
  after tenancy.refresh_token;
  s tenancy.session;
  conf tenancy.setting;
  r tenancy.signed;
  why text;
  successor text;
  unused boolean;
  jti uuid := gen_random_uuid();
begin
  r.reason := 'sign in again';
  if position(token in current_query()) > 0 then
    r.reason := 'the token stood in the query text: send it as a bind parameter';
    perform audit.write_as(
      tenancy.installation(), null, null, null, 'refresh', 'denied', '{"reason":"the token stood in the query text"}'
    );
    return r;
  end if;
  sid := tenancy.refresh_session(token);
  select * into s from tenancy.session x where x.session_id = sid for update;  -- one refresh of a session at a time
  if s.session_id is null then
    perform audit.write_as(
      tenancy.installation(), null, null, null, 'refresh', 'denied', '{"reason":"unknown refresh token"}'
    );
    return r;
  end if;
  select * into conf from tenancy.setting;
  successor := tenancy.refresh_text(sid, tenancy.fingerprint('refresh successor|' || token));
  select * into t from tenancy.refresh_token x where x.sha256 = sha256(convert_to(token, 'utf8'));
  select * into after from tenancy.refresh_token x where x.sha256 = sha256(convert_to(successor, 'utf8'));
  unused := t.sha256 is not null and t.used_at is null;
  why := case
    when not tenancy.audience_allowed(s.aud) then 'the login of another application'
    when tenancy.clock_is_behind() then 'the server''s clock has gone back'
    when s.tenant_id is not null
      and (select n.region from tenancy.tenant n where n.id = s.tenant_id) is distinct from tenancy.region_here()
    then 'the clinic lives in another region'
    when s.revoked_at is not null
      or s.expires_at <= clock_timestamp()
      or exists (select from tenancy.users u where u.id = s.user_id and u.disabled_at is not null)
      or exists (select from tenancy.membership m where m.id = s.membership_id and m.terminated_at is not null)
      or (s.aud = 'review' and not tenancy.may_review(s.user_id)) then 'session ended'
    when not unused and not coalesce(t.used_at > clock_timestamp() - conf.refresh_grace, false)
      and not coalesce(after.used_at is null and t.used_at > clock_timestamp() - conf.refresh_parent, false)
    then 'refresh token used twice: session revoked'
  end;
  if why is null and s.created_at <= (select u.sessions_after from tenancy.users u where u.id = s.user_id) then
    why := 'session ended';
  end if;
  if why is not null then
    if why = 'refresh token used twice: session revoked' then
      perform tenancy.end_session(s, 'refresh token used twice');
    end if;
    perform audit.write_as(
      coalesce(s.tenant_id, tenancy.installation()), s.user_id, s.session_id, s.membership_id, 'refresh', 'denied',
      jsonb_build_object('reason', why)::text
    );
    return r;
  end if;
  if unused then
    update tenancy.refresh_token x set used_at = clock_timestamp() where x.sha256 = t.sha256;
    delete from tenancy.refresh_token x
    where x.session_id = sid
      and x.used_at < clock_timestamp() - greatest(conf.refresh_grace, conf.refresh_parent) - interval '1 second'
      and x.sha256 <> t.sha256;
    perform tenancy.keep_refresh(successor, sid);
  end if;
  update tenancy.session x set issued = (x.issued || jti)[greatest(1, cardinality(x.issued) - 30):]
  where x.session_id = sid;
  perform audit.write_as(
    coalesce(s.tenant_id, tenancy.installation()), s.user_id, s.session_id, s.membership_id, 'refresh', 'ok',
    case when not unused then '{"again":true}' end
  );
  select x.access_token, x.expires_at into r.access_token, r.expires_at from tenancy.mint(s, jti) x;
  r.refresh_token := successor;
  r.session_id := sid;
  r.reason := null;
  return r;
end $$;

grant execute on function tenancy.refresh to ward_app, ward_reviewer;
