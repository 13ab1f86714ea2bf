-- Owner: ward_keys
-- Judges a token by everything but the call that it came with: signature, expiry, session, membership, region,
-- audience. Judged anew in each transaction, since revocation and termination bite in the next one. An unknown head is
-- no key. Nothing of the token is decoded before its signature holds, which is computed and compared as text, both
-- sides hashed once more, so that the time of the comparison tells nothing about it. Each offset 0 keeps the planner
-- from computing what it selects earlier than that.
-- One query finds everything, because starting each costs more than what it does; assignments, which cost little, judge
-- what it found. A connection keeps its plan, made perhaps when the tables were small; hence no sequential scans, here
-- and in what else runs in every transaction, and subqueries, which unlike joins are not hashed.
-- User and membership are looked up each time, and not noted in the session when they end: a session that is being
-- opened at that moment would have to lock them, and whoever opens it could leave that transaction open, and so keep
-- their own end waiting.
-- (A sequential scan in spite of that costs so much, by the planner's count, that the plan would be compiled, which
-- takes a second: hence "where one", and no jit for what this calls.)
create or replace function tenancy.proven(token text)
  returns tenancy.proof
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set jit = off
as $$
declare
  proof tenancy.proof;
  size int := octet_length(token);
  raw bytea := convert_to(token, 'utf8');
  body text := replace(replace(split_part(token, '.', 2), '-', '+'), '_', '/');
  now_at timestamptz := clock_timestamp();
  session record;
  claims jsonb;
begin
  proof.why := 'bad_signature: the signature of the token does not hold here, or its key was retired';
  if size is null or size not between 48 and 4096 then return proof; end if;
  body := body || repeat('=', (4 - octet_length(body) % 4) % 4);
  select decoded.claims as signed, read.claims, s.session_id, s.user_id, s.tenant_id, s.membership_id, s.aud,
    s.login_role, s.revoked_at, s.expires_at, here.region, here.seen_at,
    (read.claims->>'jti')::uuid = any (s.issued) as issued,
    (
      select case
        when u.disabled_at is not null then 'user_disabled: this user is disabled'
        when s.created_at <= u.sessions_after then 'session_revoked: this session was revoked'
      end
      from tenancy.users u
      where u.id = s.user_id
    ) as user_ended,
    (select m.terminated_at from tenancy.membership m where m.id = s.membership_id) as member_until
  into session
  from tenancy.signing_key k
    cross join lateral (
      select body as encoded
      where sha256(substr(raw, size - 43)) = sha256(convert_to(
        '.' || rtrim(
          replace(
            replace(encode(public.hmac(substr(raw, 1, size - 44), k.secret, 'sha256'), 'base64'), '+', '-'), '/', '_'
          ),
          '='
        ),
        'utf8'
      ))
      offset 0
    ) signed
    cross join lateral (select convert_from(decode(signed.encoded, 'base64'), 'utf8') as claims offset 0) decoded
    cross join lateral (select decoded.claims::jsonb as claims offset 0) read
    cross join tenancy.instance here
    left join tenancy.session s on s.session_id = (read.claims->>'sid')::uuid
  where here.one
    and k.head = split_part(token, '.', 1)
    and k.retired_at is null
    and (k.retire_at is null or k.retire_at > now_at);
  if session.signed is null then return proof; end if;
  claims := session.claims;
  proof := row(
    null, session.signed, claims, session.session_id, session.user_id, session.tenant_id, session.membership_id
  );
  proof.why := case
    when now_at < session.seen_at - interval '5 seconds' then 'clock_back: the clock of the server has gone back'
    when (claims->>'exp')::numeric <= extract(epoch from now_at) then 'token_expired: this access token has expired'
    when (claims->>'iat')::numeric > extract(epoch from now_at) + 5
    then 'clock_back: this token was issued in the future, so the clock of the server has gone back'
    when claims->>'rgn' is distinct from session.region then 'wrong_region: this token is of another region'
    when session.session_id is null
      or session.user_id is distinct from (claims->>'sub')::uuid
      or session.tenant_id is distinct from (claims->>'tid')::uuid
      or session.membership_id is distinct from (claims->>'mid')::uuid
      or session.aud is distinct from claims->>'aud'
    then 'token_mismatch: this token names another user, clinic or audience than its session has'
    when not coalesce(session.issued, false)
    then 'not_issued: no committed sign-in or refresh has issued this token'
    when session.revoked_at is not null then 'session_revoked: this session was revoked'
    when session.expires_at <= now_at then 'session_expired: this session has expired'
    when session.user_ended is not null then session.user_ended
    when session.member_until is not null then 'membership_ended: the membership of this session was terminated'
    when session.login_role is distinct from session_user and not tenancy.audience_allowed(session.aud)
    then 'wrong_application: this token is of another application than the login'
    when session.aud = 'review' and not tenancy.may_review(session.user_id)
    then 'no_grant: this user has no reviewer''s grant in force'
  end;
  return proof;
end $$;

grant execute on function tenancy.proven to ward_owner;
