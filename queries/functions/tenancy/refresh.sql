-- Trades a refresh token for new tokens. It works once. It may come again (a) within refresh_grace of its use, as from
-- two tabs at once, and (b) within refresh_parent, as long as its successor has not been used: the answer was lost.
-- Both give that same successor: there is never a second branch. Later, or for an older token, somebody holds a copy:
-- the session is revoked, and that stands although the call is refused, because refusing is an answer, not an error. A
-- caller who rolls back instead, to leave neither trace nor use, holds an access token that no committed transaction
-- issued, which tenancy.begin refuses.
create or replace function tenancy.refresh(token text)
  returns tenancy.signed
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  sid uuid;
  presented tenancy.refresh_token;
  after tenancy.refresh_token;
  session tenancy.session;
  conf tenancy.setting;
  answer tenancy.signed;
  why text;
  successor text;
  unused boolean;
  jti uuid := gen_random_uuid();
begin
  answer.reason := 'refresh_refused: this session cannot be refreshed: sign in again';
  if position(token in current_query()) > 0 then
    answer.reason := 'secret_in_query: the token stood in the query text: send it as a bind parameter';
    perform tenancy.record_denial('refresh', answer.reason);
    return answer;
  end if;
  sid := tenancy.refresh_session(token);
  -- one refresh of a session at a time
  select * into session from tenancy.session s where s.session_id = sid for update;
  if session.session_id is null then
    perform tenancy.record_denial('refresh', 'unknown_token: ward has made no such refresh token');
    return answer;
  end if;
  select * into conf from tenancy.setting;
  successor := tenancy.refresh_text(sid, tenancy.fingerprint('refresh successor|' || token));
  select * into presented from tenancy.refresh_token rt where rt.sha256 = sha256(convert_to(token, 'utf8'));
  select * into after from tenancy.refresh_token rt where rt.sha256 = sha256(convert_to(successor, 'utf8'));
  unused := presented.sha256 is not null and presented.used_at is null;
  why := case
    when not tenancy.audience_allowed(session.aud)
    then 'wrong_application: this session is of another application than the login'
    when tenancy.clock_is_behind() then 'clock_back: the clock of the server has gone back'
    when session.tenant_id is not null
      and (select t.region from tenancy.tenant t where t.id = session.tenant_id) is distinct from tenancy.region_here()
    then 'wrong_region: the clinic lives in another region'
    when session.revoked_at is not null
      or session.expires_at <= clock_timestamp()
      or exists (select from tenancy.users u where u.id = session.user_id and u.disabled_at is not null)
      or exists (select from tenancy.membership m where m.id = session.membership_id and m.terminated_at is not null)
      or (session.aud = 'review' and not tenancy.may_review(session.user_id))
    then 'session_ended: this session has ended'
    when not unused and not coalesce(presented.used_at > clock_timestamp() - conf.refresh_grace, false)
      and not coalesce(after.used_at is null and presented.used_at > clock_timestamp() - conf.refresh_parent, false)
    then 'token_reused: the refresh token was used twice, so its session was revoked'
  end;
  if why is null
    and session.created_at <= (select u.sessions_after from tenancy.users u where u.id = session.user_id)
  then
    why := 'session_ended: this session has ended';
  end if;
  if why is not null then
    if starts_with(why, 'token_reused:') then
      perform tenancy.end_session(session, 'refresh token used twice');
    end if;
    perform tenancy.record_denial(
      'refresh', why, who => session.user_id, session => session.session_id, membership => session.membership_id,
      clinic => session.tenant_id
    );
    return answer;
  end if;
  if unused then
    update tenancy.refresh_token rt set used_at = clock_timestamp() where rt.sha256 = presented.sha256;
    delete from tenancy.refresh_token rt
    where rt.session_id = sid
      and rt.used_at < clock_timestamp() - greatest(conf.refresh_grace, conf.refresh_parent) - interval '1 second'
      and rt.sha256 <> presented.sha256;
    perform tenancy.keep_refresh(successor, sid);
  end if;
  update tenancy.session s set issued = (s.issued || jti)[greatest(1, cardinality(s.issued) - 30):]
  where s.session_id = sid;
  perform audit.write_as(
    coalesce(session.tenant_id, tenancy.installation()), who => session.user_id, session => session.session_id,
    membership => session.membership_id, action => 'refresh', outcome => 'ok',
    detail => case when not unused then '{"again":true}' end
  );
  select minted.access_token, minted.expires_at into answer.access_token, answer.expires_at
  from tenancy.mint(session, jti) minted;
  answer.refresh_token := successor;
  answer.session_id := sid;
  answer.reason := null;
  return answer;
end $$;

grant execute on function tenancy.refresh to ward_app, ward_reviewer;
