-- Signing in, refreshing and signing out: how a person or a program comes by the tokens that 00004 checks.

-- +goose Up
set local role ward_owner;
-- +goose StatementBegin
-- Mints an access token for a session; never longer than the session itself.
create function tenancy.mint(s tenancy.session) returns table (access_token text, expires_at timestamptz) language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare until timestamptz := least(s.expires_at, clock_timestamp() + (select t.access_token from tenancy.setting t)); m record; u record;
begin
  select * into u from tenancy.users where id = s.user_id;
  select * into m from tenancy.membership where id = s.membership_id;
  access_token := tenancy.sign(jsonb_strip_nulls(jsonb_build_object('iss', 'ward', 'aud', s.aud, 'sub', s.user_id, 'sid', s.session_id, 'tid', s.tenant_id, 'mid', s.membership_id,
    'role', m.role, 'kind', u.kind, 'name', u.slug, 'rgn', tenancy.region_here(), 'iat', floor(extract(epoch from clock_timestamp()))::bigint, 'exp', floor(extract(epoch from until))::bigint)));
  expires_at := to_timestamp(floor(extract(epoch from until)));
  return next;
end $$;

create function tenancy.new_refresh(session uuid) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t text := tenancy.b64(public.gen_random_bytes(32));
begin
  insert into tenancy.refresh_token (sha256, session_id) values (sha256(convert_to(t, 'utf8')), session);
  return t;
end $$;

-- Password sign-in of the embedded default. Never raises on a refusal, because a raise would undo its own event: the reason comes back in
-- a column, the same for an unknown user, a wrong password and a missing membership. password travels as a bind parameter only.
-- audience 'review' asks for a reviewer's session, which names no tenant; anything else needs one.
create function tenancy.sign_in(who text, password text, tenant text default null, audience text default 'app', code text default null)
  returns table (access_token text, refresh_token text, expires_at timestamptz, session_id uuid, reason text) language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare u tenancy.users; t tenancy.tenant; m tenancy.membership; s tenancy.session; held boolean; factor text; needed text := case when audience = 'review' then 'ward_reviewer' else 'ward_app' end;
  said constant text := 'user, password or clinic not accepted';
begin
  if length(password) > 0 and position(password in current_query()) > 0 then
    perform audit.write_as(tenancy.installation(), null, null, null, 'sign_in', 'denied', '{"reason":"password stood in the query text"}');
    reason := 'the password stood in the query text, where other sessions can see it: send it as a bind parameter, and change it'; return next; return;
  end if;
  select * into u from tenancy.users where slug = who;
  -- an unknown user costs a bcrypt too
  held := coalesce(public.crypt(coalesce(password, ''), coalesce(u.password_hash, '$2a$10$d5XXf/LK7TKu0XcxcvWVGu8jNulaaM9pDkar3Scbfg1r2u.PUKIRe')) = u.password_hash, false);
  if held then factor := tenancy.second_factor(u.id, audience, code); end if;
  if held and factor is null and u.disabled_at is null and pg_has_role(session_user, needed, 'member') then
    if audience = 'review' then
      if u.kind = 'human' and tenant is null and tenancy.may_review(u.id) then
        insert into tenancy.session (user_id, aud, expires_at) values (u.id, 'review', clock_timestamp() + (select x.session from tenancy.setting x)) returning * into s;
      end if;
    else
      select * into t from tenancy.tenant x where x.slug = sign_in.tenant and x.kind = 'clinic' and x.region = tenancy.region_here();
      select * into m from tenancy.membership where tenant_id = t.id and user_id = u.id and terminated_at is null order by started_at desc limit 1;
      if m.id is not null then
        insert into tenancy.session (user_id, tenant_id, membership_id, aud, expires_at)
        values (u.id, t.id, m.id, audience, clock_timestamp() + (select x.session from tenancy.setting x)) returning * into s;
      end if;
    end if;
  end if;
  if s.session_id is null then
    perform audit.write_as(coalesce(t.id, tenancy.installation()), u.id, null, m.id, 'sign_in', 'denied', jsonb_build_object('reason', case factor when 'needed' then 'a second factor is needed' when 'wrong' then 'code not accepted' else 'not accepted' end)::text);
    reason := case factor when 'needed' then 'a second factor is needed' when 'wrong' then 'code not accepted' else said end; return next; return;
  end if;
  perform audit.write_as(coalesce(s.tenant_id, tenancy.installation()), u.id, s.session_id, s.membership_id, 'sign_in', 'ok', jsonb_build_object('aud', audience)::text);
  select x.access_token, x.expires_at into access_token, expires_at from tenancy.mint(s) x;
  refresh_token := tenancy.new_refresh(s.session_id);
  session_id := s.session_id;
  return next;
end $$;

-- A refresh token works once. Used again within a short grace (a client whose answer was lost, two tabs) it yields another; later, somebody
-- holds a copy: the whole session is revoked, and that stands although the call is refused, because refusing is an answer, not an error.
create function tenancy.refresh(token text) returns table (access_token text, refresh_token text, expires_at timestamptz, session_id uuid, reason text)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare r tenancy.refresh_token; s tenancy.session; live boolean;
begin
  if position(token in current_query()) > 0 then reason := 'the token stood in the query text: send it as a bind parameter'; return next; return; end if;
  select * into r from tenancy.refresh_token x where x.sha256 = pg_catalog.sha256(convert_to(token, 'utf8')) for update;
  if not found then
    perform audit.write_as(tenancy.installation(), null, null, null, 'refresh', 'denied', '{"reason":"unknown refresh token"}');
    reason := 'sign in again'; return next; return;
  end if;
  select * into s from tenancy.session x where x.session_id = r.session_id for update;
  if r.used_at is not null and r.used_at < clock_timestamp() - (select x.refresh_grace from tenancy.setting x) then
    update tenancy.session x set revoked_at = coalesce(x.revoked_at, clock_timestamp()), revoke_reason = coalesce(x.revoke_reason, 'refresh token used twice') where x.session_id = s.session_id;
    perform audit.write_as(coalesce(s.tenant_id, tenancy.installation()), s.user_id, s.session_id, s.membership_id, 'refresh', 'denied', '{"reason":"refresh token used twice: session revoked"}');
    reason := 'sign in again'; return next; return;
  end if;
  select s.revoked_at is null and s.expires_at > clock_timestamp() and u.disabled_at is null
    and (s.membership_id is null or exists (select from tenancy.membership m where m.id = s.membership_id and m.terminated_at is null))
    and (s.aud <> 'review' or tenancy.may_review(s.user_id)) into live from tenancy.users u where u.id = s.user_id;
  if not live then
    perform audit.write_as(coalesce(s.tenant_id, tenancy.installation()), s.user_id, s.session_id, s.membership_id, 'refresh', 'denied', '{"reason":"session ended"}');
    reason := 'sign in again'; return next; return;
  end if;
  update tenancy.refresh_token x set used_at = coalesce(x.used_at, clock_timestamp()) where x.sha256 = r.sha256;
  perform audit.write_as(coalesce(s.tenant_id, tenancy.installation()), s.user_id, s.session_id, s.membership_id, 'refresh', 'ok', null);
  select x.access_token, x.expires_at into access_token, expires_at from tenancy.mint(s) x;
  refresh_token := tenancy.new_refresh(s.session_id);
  session_id := s.session_id;
  return next;
end $$;

create function tenancy.sign_out() returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare c jsonb := tenancy.claims();
begin
  if c is null then raise exception 'nobody is signed in' using errcode = '28000'; end if;
  perform audit.write(coalesce((c->>'tid')::uuid, tenancy.installation()), 'sign_out');
  update tenancy.session set revoked_at = clock_timestamp(), revoke_reason = 'signed out' where session_id = (c->>'sid')::uuid and revoked_at is null;
end $$;
-- +goose StatementEnd
grant execute on function tenancy.sign_in, tenancy.refresh, tenancy.sign_out to ward_app, ward_reviewer;
reset role;
