-- Owner: ward_keys
-- Judges a token by everything but the call that it came with: signature, expiry, session, membership, region,
-- audience. Judged anew in each transaction, since revocation and termination bite in the next one. An unknown head is
-- no key. Nothing of the token is decoded before its signature holds, which is computed and compared as text, both
-- sides hashed once more, so that the time of the comparison tells nothing about it. One query, because starting each
-- costs more than what it does. A connection keeps its plan, made perhaps when the tables were small; hence no
-- sequential scans, here and in what else runs in every transaction, and subqueries, which unlike joins are not hashed.
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
  p tenancy.proof;
  b bytea := convert_to(token, 'utf8');
  n int := octet_length(token);
begin
  if n between 48 and 4096 then
    select v.claims, w.c, s.session_id, s.user_id, s.tenant_id, s.membership_id,
      case
        when clock_timestamp() < here.seen_at - interval '5 seconds' then 'the server''s clock has gone back'
        when (w.c->>'exp')::numeric <= extract(epoch from clock_timestamp()) then 'expired'
        when (w.c->>'iat')::numeric > extract(epoch from clock_timestamp()) + 5
        then 'issued in the future: the server''s clock has gone back'
        when w.c->>'rgn' is distinct from here.region then 'another region''s token'
        when s.session_id is null
          or s.user_id is distinct from (w.c->>'sub')::uuid
          or s.tenant_id is distinct from (w.c->>'tid')::uuid
          or s.membership_id is distinct from (w.c->>'mid')::uuid
          or s.aud is distinct from w.c->>'aud' then 'token and session differ'
        when not coalesce((w.c->>'jti')::uuid = any (s.issued), false) then 'token of no committed sign-in or refresh'
        when s.revoked_at is not null then 'session revoked'
        when s.expires_at <= clock_timestamp() then 'session expired'
        else coalesce(
          (
            select case
              when u.disabled_at is not null then 'user disabled'
              when s.created_at <= u.sessions_after then 'session revoked'
            end
            from tenancy.users u
            where u.id = s.user_id
          ),
          (
            select case when m.terminated_at is not null then 'membership terminated' end
            from tenancy.membership m
            where m.id = s.membership_id
          ),
          case
            when s.login_role is distinct from session_user and not tenancy.audience_allowed(s.aud)
            then 'a token of another application'
            when s.aud = 'review' and not tenancy.may_review(s.user_id) then 'no reviewer grant in force'
          end
        )
      end
    into p.claims, p.c, p.session_id, p.user_id, p.tenant_id, p.membership_id, p.why
    from tenancy.signing_key k
      cross join lateral (
        select replace(replace(split_part(token, '.', 2), '-', '+'), '_', '/') as body
        where sha256(substr(b, n - 43)) = sha256(convert_to(
          '.' || rtrim(
            replace(
              replace(encode(public.hmac(substr(b, 1, n - 44), k.secret, 'sha256'), 'base64'), '+', '-'), '/', '_'
            ),
            '='
          ),
          'utf8'
        ))
        offset 0
      ) signed
      cross join lateral (
        select convert_from(
          decode(signed.body || repeat('=', (4 - octet_length(signed.body) % 4) % 4), 'base64'), 'utf8'
        ) as claims offset 0
      ) v
      cross join lateral (select v.claims::jsonb as c offset 0) w
      cross join tenancy.instance here
      left join tenancy.session s on s.session_id = (w.c->>'sid')::uuid
    where here.one
      and k.head = split_part(token, '.', 1)
      and k.retired_at is null
      and (k.retire_at is null or k.retire_at > clock_timestamp());
  end if;
  if p.claims is null then p.why := 'signature'; end if;
  return p;
end $$;

grant execute on function tenancy.proven to ward_owner;
