-- Signing in, refreshing and signing out: how a person or a program comes by the tokens that 00004 checks.
--
-- Signing in is write-ahead as a look at PHI is: tenancy.sign_in checks the password, writes down what came of it and returns a ticket, which says nothing;
-- once that is committed, tenancy.signed_in answers for the ticket. A function that answered at once could be called and rolled back: a guess that nobody
-- counts and nothing records.

-- +goose Up
set local role ward_owner;

-- How often somebody may fail: level counts failures and drains by one every `drain`; above `free`, each failure closes for 1 s, 2 s, 4 s ... up to `longest`.
create table tenancy.throttle_limit (
  kind    text primary key check (kind in ('name', 'source', 'connection')),
  free    int not null check (free between 1 and 10000),
  drain   interval not null check (drain between interval '1 millisecond' and interval '1 hour'),
  longest interval not null check (longest between interval '1 second' and interval '15 minutes')
);
insert into tenancy.throttle_limit values
  ('name', 5, '15 minutes', '15 minutes'),       -- a user name as typed, also one that there is not
  ('source', 20, '1 minute', '15 minutes'),      -- where the person is, as the application says
  ('connection', 200, '1 second', '1 second');   -- login role and address of the database client: what somebody meets who tries many names

-- Keys are keyed hashes: what was typed as a name may be a password. A row goes when its level has drained; failures alone make rows, and each kind
-- 'connection' lets about one failure a second through, so that there are some thousands at most. No index but the key's: a failure that is counted would take longer than one
-- that is not.
create table tenancy.throttle (
  key         text primary key,
  kind        text not null references tenancy.throttle_limit,
  level       float8 not null,
  level_at    timestamptz not null,
  until       timestamptz not null,   -- before then every try is refused
  forget_at   timestamptz not null
);

-- Tries whose answer has not been fetched. Every row has the same size whatever came of the try, so that its WAL tells nothing.
create table tenancy.attempt (
  ticket     bytea primary key,       -- its SHA-256
  name       text not null,
  source     text,
  connection text not null,
  user_id    uuid not null,           -- random where there is no such user
  held       boolean not null,        -- the password did
  allowed    boolean not null,        -- no delay was running
  asked      jsonb not null,          -- audience, tenant, role, code; leaked: the password stood in the query text
  xid        xid8 not null default pg_current_xact_id(),
  tried_at   timestamptz not null default clock_timestamp()
);
create index attempt_age on tenancy.attempt (tried_at);

-- What signing in or refreshing yields: tokens; or why not, and where the password was proven what is still needed: 'tenant' (choices lists
-- {"tenant", "name", "role"}) or 'second_factor'.
create type tenancy.signed as (access_token text, refresh_token text, expires_at timestamptz, session_id uuid, reason text, needs text, choices jsonb);

-- +goose StatementBegin
-- May this login use that audience? A login that has applications of its own uses those alone; another one those of the roles it is a member of.
create function tenancy.audience_allowed(aud text) returns boolean language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$ begin
  return exists (select from tenancy.application a where a.aud = audience_allowed.aud and case
    when exists (select from tenancy.application own where own.login_role = session_user) then a.login_role = session_user
    else exists (select from pg_roles r where r.rolname = a.login_role and pg_has_role(session_user, r.oid, 'member')) end);
end $$;

-- Mints an access token for a session; never longer than the session itself. jti ties it to what was committed with it.
create function tenancy.mint(s tenancy.session, jti uuid) returns table (access_token text, expires_at timestamptz) language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare until timestamptz := least(s.expires_at, clock_timestamp() + (select t.access_token from tenancy.setting t)); m record; u record;
begin
  select * into u from tenancy.users where id = s.user_id;
  select * into m from tenancy.membership where id = s.membership_id;
  access_token := tenancy.sign(jsonb_strip_nulls(jsonb_build_object('iss', 'ward', 'aud', s.aud, 'sub', s.user_id, 'sid', s.session_id, 'tid', s.tenant_id, 'mid', s.membership_id, 'pat', m.patient_id, 'jti', mint.jti,
    'role', m.role, 'kind', u.kind, 'name', u.slug, 'rgn', tenancy.region_here(), 'iat', floor(extract(epoch from clock_timestamp()))::bigint, 'exp', floor(extract(epoch from until))::bigint)));
  expires_at := to_timestamp(floor(extract(epoch from until)));
  return next;
end $$;

-- A refresh token is "session.secret.mac" in hex. The secret of the next one follows from this one by a keyed hash: whoever presents a token again within its
-- time gets the same successor, so that a family never has two branches, and only SHA-256 need be kept.
create function tenancy.refresh_mac(body text) returns text language sql stable security definer set search_path = pg_catalog, pg_temp as
$$ select left(tenancy.fingerprint('refresh token|' || body), 32) $$;
create function tenancy.refresh_text(session uuid, secret text) returns text language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select body || '.' || tenancy.refresh_mac(body) from (select replace(session::text, '-', '') || '.' || secret as body) x
$$;
-- The session of a refresh token that ward made, however long ago; null for anything else. The MACs are compared hashed, so that the time tells nothing.
create function tenancy.refresh_session(token text) returns uuid language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select case when token ~ '^[0-9a-f]{32}[.][0-9a-f]{64}[.][0-9a-f]{32}$' and tenancy.fingerprint(right(token, 32)) = tenancy.fingerprint(tenancy.refresh_mac(left(token, 97))) then left(token, 32)::uuid end
$$;
create function tenancy.keep_refresh(token text, session uuid) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into tenancy.refresh_token (sha256, session_id) values (sha256(convert_to(token, 'utf8')), session)
$$;

-- What is said to an unknown user, a wrong password, a delay, and a person who has no place where they want to go.
create function tenancy.not_accepted() returns text language sql immutable set search_path = pg_catalog, pg_temp as
$$ select 'user, password or clinic not accepted' $$;

-- Opens a session for somebody who is proven, by whatever method: 'password', 'oidc' or 'secret'. Decides the place (a reviewer's session has none; otherwise the clinic and role
-- named, or the only clinic there is), writes the event and mints the tokens. Never raises on a refusal: it would undo its own event.
create function tenancy.open_session(u tenancy.users, audience text, tenant text, role text, method text, second_factor boolean default false) returns tenancy.signed
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t tenancy.tenant; m tenancy.membership; s tenancy.session; r tenancy.signed; why text; jti uuid := gen_random_uuid(); ends timestamptz := clock_timestamp() + (select x.session from tenancy.setting x);
  places jsonb; n int;
begin
  if not tenancy.audience_allowed(audience) then why := 'the audience is another application''s, or none';
  elsif tenancy.clock_is_behind() then why := 'the server''s clock has gone back';
  elsif u.disabled_at is not null then why := 'user disabled';
  elsif audience = 'review' then
    why := case when u.kind <> 'human' then 'no human' when tenant is not null then 'a reviewer''s session names no clinic' when not tenancy.may_review(u.id) then 'no reviewer grant in force' end;
  else
    select count(distinct x.id), jsonb_agg(jsonb_build_object('tenant', x.slug, 'name', x.name, 'role', y.role) order by x.slug, y.started_at desc) into n, places
    from tenancy.membership y join tenancy.tenant x on x.id = y.tenant_id
    where y.user_id = u.id and y.terminated_at is null and x.kind = 'clinic' and x.region = tenancy.region_here()
      and (open_session.tenant is null or x.slug = open_session.tenant) and (open_session.role is null or y.role = open_session.role);
    if n = 0 then why := 'no such membership';
    elsif n > 1 then
      why := 'several clinics: one must be named';
      r.needs := 'tenant'; r.choices := places;
    else
      select x.* into t from tenancy.tenant x where x.slug = places->0->>'tenant';
      select y.* into m from tenancy.membership y where y.tenant_id = t.id and y.user_id = u.id and y.terminated_at is null and (open_session.role is null or y.role = open_session.role)
        order by y.started_at desc limit 1;
      why := case when m.id is null then 'no such membership' end;
    end if;
  end if;
  if why is not null then
    r.reason := case when r.needs is null then tenancy.not_accepted() else 'this user works at several clinics: name one' end;
    perform audit.write_as(tenancy.installation(), u.id, null, null, 'sign_in', 'denied', jsonb_build_object('reason', why, 'method', method)::text);
    return r;
  end if;
  insert into tenancy.session (user_id, tenant_id, membership_id, aud, method, second_factor, issued, expires_at) values (u.id, t.id, m.id, audience, method, second_factor, array[jti], ends) returning * into s;
  perform audit.write_as(coalesce(s.tenant_id, tenancy.installation()), u.id, s.session_id, s.membership_id, 'sign_in', 'ok',
    jsonb_strip_nulls(jsonb_build_object('aud', audience, 'method', method, 'second_factor', second_factor, 'role', m.role))::text);
  select x.access_token, x.expires_at into r.access_token, r.expires_at from tenancy.mint(s, jti) x;
  r.refresh_token := tenancy.refresh_text(s.session_id, encode(public.gen_random_bytes(32), 'hex'));
  r.session_id := s.session_id;
  perform tenancy.keep_refresh(r.refresh_token, s.session_id);
  -- tokens of sessions that are over for sure: no session lasts longer than a day
  delete from tenancy.refresh_token where sha256 in (select x.sha256 from tenancy.refresh_token x where x.issued_at < clock_timestamp() - interval '25 hours' order by x.issued_at limit 100 for update skip locked);
  return r;
end $$;

create function tenancy.throttle_delay(level float8, free int, longest interval) returns interval language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when round(level) <= free then interval '0' else least(longest, interval '1 second' * 2 ^ least(round(level) - free - 1, 20)) end
$$;
create function tenancy.drained(t tenancy.throttle, l tenancy.throttle_limit) returns float8 language sql volatile set search_path = pg_catalog, pg_temp as $$
  select greatest(0, coalesce(t.level, 0) - extract(epoch from clock_timestamp() - t.level_at) / extract(epoch from l.drain))
$$;
-- Is no delay running for any of these? Tries whose answer nobody has fetched count as failures already, unless their password was right and there was no code to be wrong. One
-- statement, hence one snapshot: a try is in one of the two tables, never missed between them.
create function tenancy.not_throttled(keys text[]) returns boolean language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(bool_and(coalesce(t.until, '-infinity') <= clock_timestamp()
      and (p.n = 0 or p.last + tenancy.throttle_delay(tenancy.drained(t, l) + p.n, l.free, l.longest) <= clock_timestamp())), true)
  from unnest(array['name', 'source', 'connection'], keys) as k(kind, key) join tenancy.throttle_limit l on l.kind = k.kind left join tenancy.throttle t on t.key = k.key
    cross join lateral (select count(*) as n, max(a.tried_at) as last from tenancy.attempt a where k.key in (a.name, a.source, a.connection) and a.allowed and (not a.held or a.asked ? 'code')) p
  where k.key is not null
$$;
-- Counts a failure of weight 1. Weight 0, for a try within a delay, changes nothing and takes as long. Rows are taken in one order, so that no two calls wait for each other.
create function tenancy.count_failure(a tenancy.attempt, weight int) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare l record; n timestamptz := clock_timestamp(); grown float8; t tenancy.throttle;
begin
  for l in select x.*, k.key from unnest(array['connection', 'name', 'source'], array[a.connection, a.name, a.source]) as k(kind, key) join tenancy.throttle_limit x on x.kind = k.kind
      where k.key is not null order by x.kind loop
    insert into tenancy.throttle values (l.key, l.kind, 0, n, n, n) on conflict (key) do nothing;
    select * into t from tenancy.throttle x where x.key = l.key for update;
    grown := greatest(0, t.level - extract(epoch from n - t.level_at) / extract(epoch from l.drain)) + weight;
    update tenancy.throttle x set level = grown, level_at = n, forget_at = greatest(x.until, n + grown * l.drain),
      until = case when weight = 0 then x.until else n + tenancy.throttle_delay(grown, l.free, l.longest) end where x.key = l.key;
  end loop;
  delete from tenancy.throttle where key in (select x.key from tenancy.throttle x where x.forget_at < n limit 100 for update skip locked);
end $$;

-- What came of a try: the session, or the refusal with its event and its place in the throttle. fetched is false for one whose answer nobody came for.
create function tenancy.conclude(a tenancy.attempt, fetched boolean) returns tenancy.signed language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare u tenancy.users; r tenancy.signed; why text; factor text; given boolean := false;
begin
  select * into u from tenancy.users where id = a.user_id;
  r.reason := tenancy.not_accepted();
  if a.asked ? 'leaked' then
    why := 'password stood in the query text';
    r.reason := 'the password stood in the query text, where other sessions can see it: send it as a bind parameter, and change it';
  elsif not a.allowed then why := 'too soon after failures';
  elsif not a.held then why := case when u.id is null then 'unknown user' else 'password' end;
  elsif not fetched then why := 'never fetched';
  elsif tenancy.second_factor(u.id, a.asked->>'audience', null) is not null then  -- one is demanded
    factor := case when a.asked ? 'code' then tenancy.second_factor(u.id, a.asked->>'audience', a.asked->>'code') else 'needed' end;
    given := factor is null;
    if not given then
      r.needs := 'second_factor';
      why := 'second factor ' || factor;
      r.reason := case factor when 'needed' then 'a second factor is needed' else 'the second factor was not accepted' end;
    end if;
  end if;
  if why is null then
    r := tenancy.open_session(u, a.asked->>'audience', a.asked->>'tenant', a.asked->>'role', case when u.kind = 'service' then 'secret' else 'password' end, given);
  else
    perform audit.write_as(tenancy.installation(), u.id, null, null, 'sign_in', 'denied', jsonb_build_object('reason', why)::text);
  end if;
  if r.session_id is not null then
    delete from tenancy.throttle where key = a.name;
  elsif r.needs is null or factor = 'wrong' then
    perform tenancy.count_failure(a, case when a.allowed and (not a.held or fetched or a.asked ? 'code') then 1 else 0 end);
  end if;
  return r;
end $$;

-- A hash that no password has, as dear to compare with as a real one.
create function tenancy.nobodys_hash() returns text language sql immutable set search_path = pg_catalog, pg_temp as
$$ select '$2a$10$d5XXf/LK7TKu0XcxcvWVGu8jNulaaM9pDkar3Scbfg1r2u.PUKIRe' $$;

-- Tries a user name and password, and returns a ticket for tenancy.signed_in: after the commit, within a minute. The ticket, the time and the WAL are the same whatever comes of it.
-- audience 'review' asks for a reviewer's session, which names no clinic. tenant may be null for who works at one clinic alone; role picks among several there. code is the second factor's. source is where
-- the person is (their address), as far as the application knows. password and code travel as bind parameters only.
create function tenancy.sign_in(who text, password text, tenant text default null, audience text default 'app', code text default null, role text default null, source text default null)
  returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare u tenancy.users; a tenancy.attempt; stale tenancy.attempt; held boolean; ticket text := encode(public.gen_random_bytes(32), 'hex');
begin
  if length(who) > 1000 or length(password) > 1000 or length(tenant) > 1000 or length(audience) > 1000 or length(code) > 1000 or length(role) > 1000 or length(source) > 1000 then
    raise exception 'nothing that signing in needs is longer than 1,000 characters' using errcode = '22023';
  end if;
  a.name := tenancy.fingerprint('sign-in name|' || coalesce(who, ''));
  a.source := tenancy.fingerprint('sign-in source|' || source);
  a.connection := tenancy.fingerprint('sign-in connection|' || session_user || '|' || coalesce(host(inet_client_addr()), 'local'));
  a.asked := jsonb_strip_nulls(jsonb_build_object('audience', coalesce(audience, 'app'), 'tenant', tenant, 'role', role, 'code', nullif(code, ''),
    'leaked', case when length(password) > 0 and position(password in current_query()) > 0 then true end));
  select * into u from tenancy.users x where x.slug = who;
  held := coalesce(public.crypt(coalesce(password, ''), coalesce(u.password_hash, tenancy.nobodys_hash())) = u.password_hash, false) and u.kind = 'human' and octet_length(password) <= 72 and not a.asked ? 'leaked';
  -- From here on tries with this name go one by one until they are committed: none slips past the count. The hash, which takes the time, is behind us.
  perform pg_advisory_xact_lock(hashtextextended(a.name, 0));
  -- One answer that nobody came for, of whoever, is recorded and counted now. One: calls that take the rows of several tries could wait for each other in a circle.
  delete from tenancy.attempt x where x.ticket = (select y.ticket from tenancy.attempt y where y.tried_at < clock_timestamp() - interval '1 minute'
    and y.xid is distinct from pg_current_xact_id_if_assigned() order by y.tried_at limit 1 for update skip locked) returning * into stale;
  if stale.ticket is not null then perform tenancy.conclude(stale, false); end if;
  insert into tenancy.attempt (ticket, name, source, connection, user_id, held, allowed, asked)
  values (sha256(convert_to(ticket, 'utf8')), a.name, a.source, a.connection, coalesce(u.id, gen_random_uuid()), held, tenancy.not_throttled(array[a.name, a.source, a.connection]), a.asked);
  return ticket;
end $$;

-- The answer to a ticket of a committed tenancy.sign_in, once. Never raises on a refusal.
create function tenancy.signed_in(ticket text) returns tenancy.signed language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a tenancy.attempt; r tenancy.signed;
begin
  if position(signed_in.ticket in current_query()) > 0 then
    perform audit.write_as(tenancy.installation(), null, null, null, 'sign_in', 'denied', '{"reason":"the ticket stood in the query text"}');
    r.reason := 'the ticket stood in the query text: send it as a bind parameter';
    return r;
  end if;
  delete from tenancy.attempt x where x.ticket = sha256(convert_to(signed_in.ticket, 'utf8')) and x.xid is distinct from pg_current_xact_id_if_assigned() returning * into a;
  if a.ticket is null then
    perform audit.write_as(tenancy.installation(), null, null, null, 'sign_in', 'denied', '{"reason":"no such ticket"}');
    r.reason := 'no committed sign-in has this ticket, or its answer was fetched: sign in again';
    return r;
  end if;
  return tenancy.conclude(a, a.tried_at > clock_timestamp() - interval '1 minute');
end $$;

-- Ends a session, and says so in its clinic. Reachable from ward's functions only.
create function tenancy.end_session(s tenancy.session, why text) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  update tenancy.session x set revoked_at = clock_timestamp(), revoke_reason = why where x.session_id = s.session_id and x.revoked_at is null
$$;

-- A refresh token works once. It may come again (a) within refresh_grace of its use, as from two tabs at once, and (b) within refresh_parent, as long as its successor has
-- not been used: the answer was lost. Both give that same successor: there is never a second branch. Later, or for an older token, somebody holds a copy: the session is
-- revoked, and that stands although the call is refused, because refusing is an answer, not an error. A caller who rolls back instead, to leave neither trace nor use, holds an
-- access token that no committed transaction issued, which tenancy.begin refuses.
create function tenancy.refresh(token text) returns tenancy.signed language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare sid uuid; t tenancy.refresh_token; after tenancy.refresh_token; s tenancy.session; conf tenancy.setting; r tenancy.signed; why text; successor text; unused boolean; jti uuid := gen_random_uuid();
begin
  r.reason := 'sign in again';
  if position(token in current_query()) > 0 then
    r.reason := 'the token stood in the query text: send it as a bind parameter';
    perform audit.write_as(tenancy.installation(), null, null, null, 'refresh', 'denied', '{"reason":"the token stood in the query text"}');
    return r;
  end if;
  sid := tenancy.refresh_session(token);
  select * into s from tenancy.session x where x.session_id = sid for update;  -- one refresh of a session at a time
  if s.session_id is null then
    perform audit.write_as(tenancy.installation(), null, null, null, 'refresh', 'denied', '{"reason":"unknown refresh token"}');
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
    when s.tenant_id is not null and (select n.region from tenancy.tenant n where n.id = s.tenant_id) is distinct from tenancy.region_here() then 'the clinic lives in another region'
    when s.revoked_at is not null or s.expires_at <= clock_timestamp() or exists (select from tenancy.users u where u.id = s.user_id and u.disabled_at is not null)
      or exists (select from tenancy.membership m where m.id = s.membership_id and m.terminated_at is not null) or (s.aud = 'review' and not tenancy.may_review(s.user_id)) then 'session ended'
    when not unused and not coalesce(t.used_at > clock_timestamp() - conf.refresh_grace, false)
      and not coalesce(after.used_at is null and t.used_at > clock_timestamp() - conf.refresh_parent, false) then 'refresh token used twice: session revoked'
  end;
  if why is null and s.created_at <= (select u.sessions_after from tenancy.users u where u.id = s.user_id) then why := 'session ended'; end if;
  if why is not null then
    if why = 'refresh token used twice: session revoked' then perform tenancy.end_session(s, 'refresh token used twice'); end if;
    perform audit.write_as(coalesce(s.tenant_id, tenancy.installation()), s.user_id, s.session_id, s.membership_id, 'refresh', 'denied', jsonb_build_object('reason', why)::text);
    return r;
  end if;
  if unused then
    update tenancy.refresh_token x set used_at = clock_timestamp() where x.sha256 = t.sha256;
    delete from tenancy.refresh_token x where x.session_id = sid and x.used_at < clock_timestamp() - greatest(conf.refresh_grace, conf.refresh_parent) - interval '1 second' and x.sha256 <> t.sha256;
    perform tenancy.keep_refresh(successor, sid);
  end if;
  update tenancy.session x set issued = (x.issued || jti)[greatest(1, cardinality(x.issued) - 30):] where x.session_id = sid;
  perform audit.write_as(coalesce(s.tenant_id, tenancy.installation()), s.user_id, s.session_id, s.membership_id, 'refresh', 'ok', case when not unused then '{"again":true}' end);
  select x.access_token, x.expires_at into r.access_token, r.expires_at from tenancy.mint(s, jti) x;
  r.refresh_token := successor;
  r.session_id := sid;
  r.reason := null;
  return r;
end $$;

create function tenancy.sign_out() returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare c jsonb := tenancy.claims();
begin
  if c is null then raise exception 'nobody is signed in' using errcode = '28000'; end if;
  perform audit.write(coalesce((c->>'tid')::uuid, tenancy.installation()), 'sign_out');
  update tenancy.session set revoked_at = clock_timestamp(), revoke_reason = 'signed out' where session_id = (c->>'sid')::uuid and revoked_at is null;
end $$;

-- Ends sessions, and does not wait for one whose row an open transaction holds (tenancy.refresh locks it): a person could otherwise keep their own end waiting for as long as they like.
-- Of that one the next tenancy.begin is refused, by what it looks up anyway: a membership or a person that has ended, else users.sessions_after, which ends the person's other sessions
-- too. An identity that is open meanwhile lasts its 60 seconds. Returns how many.
create function tenancy.end_sessions(ids uuid[], why text) returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare free uuid[];
begin
  select array_agg(x.session_id) into free from (select s.session_id from tenancy.session s where s.session_id = any (ids) and s.revoked_at is null for no key update skip locked) x;
  update tenancy.session s set revoked_at = clock_timestamp(), revoke_reason = why where s.session_id = any (free);
  if cardinality(ids) > coalesce(cardinality(free), 0) and why not in ('membership terminated', 'user disabled') then
    update tenancy.users u set sessions_after = clock_timestamp()
    where u.id in (select s.user_id from tenancy.session s where s.session_id = any (ids) and s.revoked_at is null and s.session_id <> all (coalesce(free, '{}')));
  end if;
  return cardinality(ids);
end $$;
create function tenancy.live_sessions(who uuid) returns setof tenancy.session language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select s.* from tenancy.session s where s.user_id = who and s.revoked_at is null and s.expires_at > clock_timestamp() order by s.session_id
$$;
-- Ends every session of this person, this one too, in every clinic and application; one event for each, in its clinic. Returns how many.
create function tenancy.sign_out_everywhere() returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare c jsonb := tenancy.claims(); s tenancy.session; n int := 0;
begin
  if c is null then raise exception 'nobody is signed in' using errcode = '28000'; end if;
  for s in select * from tenancy.live_sessions((c->>'sub')::uuid) loop  -- events first: they are this session's, which ends here too
    perform audit.write(coalesce(s.tenant_id, tenancy.installation()), 'sign_out', 'ok', jsonb_build_object('everywhere', true, 'session', s.session_id)::text);
    n := n + 1;
  end loop;
  perform tenancy.end_sessions(array(select x.session_id from tenancy.session x where x.user_id = (c->>'sub')::uuid and x.revoked_at is null), 'signed out everywhere');
  return n;
end $$;

-- A session is within reach where its clinic is; a reviewer's, which has none, for a reach over every clinic.
create function tenancy.reaches_session(who uuid, s tenancy.session, action text) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select case when s.tenant_id is not null then tenancy.reaches(who, s.tenant_id, action) else exists (select from tenancy.reviewer_grant g join tenancy.reviewer_action a on a.role = g.role and a.action = reaches_session.action
    where g.user_id = who and g.tenant_id is null and g.ended_at is null and g.starts_at <= clock_timestamp() and (g.expires_at is null or g.expires_at > clock_timestamp())) end
$$;
-- Records a look at live sessions, of one user or of everybody within reach, newest first and at most 500: each clinic's event names the sessions that are shown.
create function tenancy.browse_sessions(ask uuid, of_user text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('browse'); u uuid := case when of_user is not null then tenancy.user_named(of_user) end; ids uuid[]; shown jsonb;
begin
  select array_agg(x.session_id) into ids from (select s.session_id from tenancy.session s where s.revoked_at is null and s.expires_at > clock_timestamp() and (u is null or s.user_id = u)
    and tenancy.reaches_session(who, s, 'browse') order by s.created_at desc limit 500) x;
  select jsonb_object_agg(x.t, x.l) into shown from (select s.tenant_id as t, jsonb_agg(s.session_id) as l from tenancy.session s where s.session_id = any (ids) and s.tenant_id is not null group by 1) x;
  perform audit.look(ask, 'list:sessions', 'browse', shown, jsonb_strip_nulls(jsonb_build_object('of', u)), ids);
end $$;
-- The lists of this file, for tenancy.listing: sessions, keys, applications.
create function tenancy.sign_in_listing(what text, ids uuid[]) returns setof jsonb language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  (select jsonb_build_object('id', s.session_id, 'user_id', u.id, 'user', u.slug, 'name', u.name, 'kind', u.kind, 'tenant', t.slug, 'role', m.role, 'aud', s.aud, 'method', s.method, 'second_factor', s.second_factor,
      'created_at', s.created_at, 'expires_at', s.expires_at, 'refreshed_at', (select max(r.issued_at) from tenancy.refresh_token r where r.session_id = s.session_id and r.issued_at > s.created_at + interval '1 second'))
    from tenancy.session s join tenancy.users u on u.id = s.user_id left join tenancy.tenant t on t.id = s.tenant_id left join tenancy.membership m on m.id = s.membership_id
    where what = 'sessions' and s.session_id = any (ids) and s.revoked_at is null and s.expires_at > clock_timestamp() and tenancy.reaches_session(tenancy.user_id(), s, 'browse') order by s.created_at desc)
  union all
  (select jsonb_build_object('kid', k.kid, 'created_at', k.created_at, 'retire_at', k.retire_at, 'retired_at', k.retired_at,
      'state', case when k.retired_at is not null or k.retire_at <= clock_timestamp() then 'retired' when k.retire_at is not null then 'verifies' else 'signs' end)
    from tenancy.signing_key k where what = 'keys' order by k.created_at desc limit 500)
  union all
  (select jsonb_build_object('aud', a.aud, 'login_role', a.login_role, 'note', a.note, 'created_at', a.created_at) from tenancy.application a where what = 'applications' order by a.created_at, a.aud)
$$;

-- Ends sessions by an administrator: one by its id (or first characters), or all of a user, within reach; one event for each, in its clinic.
create function tenancy.revoke_sessions(session text, of_user text, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('revoke'); u uuid := case when of_user is not null then tenancy.user_named(of_user) end; s tenancy.session; ended uuid[] := '{}'; why text := review.need_reason(reason);
begin
  if (session is null) = (of_user is null) then raise exception 'name a session or a user' using errcode = '22023'; end if;
  if session !~ '^[0-9a-fA-F-]{4,36}$' then raise exception '"%" is not a session id', session using errcode = '22023', hint = 'ward session list shows them'; end if;
  for s in select x.* from tenancy.session x where x.revoked_at is null and x.expires_at > clock_timestamp() and (u is null or x.user_id = u)
      and (session is null or starts_with(x.session_id::text, lower(session))) and tenancy.reaches_session(who, x, 'revoke') order by x.session_id loop
    ended := ended || s.session_id;
  end loop;
  if session is not null and cardinality(ended) <> 1 then
    raise exception '% live sessions within your reach begin with "%"', cardinality(ended), session using errcode = '02000', hint = 'ward session list shows them';
  end if;
  for s in select x.* from tenancy.session x where x.session_id = any (ended) loop
    perform audit.write(coalesce(s.tenant_id, tenancy.installation()), 'revoke', 'ok', jsonb_build_object('session', s.session_id, 'user', s.user_id, 'reason', why)::text);
  end loop;
  if cardinality(ended) = 0 then
    perform audit.write(tenancy.installation(), 'revoke', 'ok', jsonb_build_object('session', null, 'user', u, 'reason', why)::text);
  end if;
  perform tenancy.end_sessions(ended, 'revoked by an administrator');
  return jsonb_build_object('sessions_ended', cardinality(ended), 'sessions', to_jsonb(ended));
end $$;

-- A new key signs from now on; the old ones verify until their tokens have run out, or, at_once, no more: every access token ends, refreshing gives new ones.
create function tenancy.rotate_signing_key(at_once boolean default false) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k text;
begin
  perform tenancy.reviewer_of('configure', null);
  k := tenancy.rotate_key(case when at_once then interval '0' else (select access_token from tenancy.setting) end);
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'key rotate', 'kid', k, 'at_once', at_once)::text);
  return jsonb_build_object('kid', k, 'at_once', at_once);
end $$;

create function tenancy.add_application(aud text, login_role text, note text default '') returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform tenancy.reviewer_of('configure', null);
  if exists (select from tenancy.application a where a.aud = add_application.aud) then raise exception 'there is an application "%" already', aud using errcode = '23505'; end if;
  if not exists (select from pg_roles r where r.rolname = login_role and r.rolcanlogin and pg_has_role(r.oid, 'ward_app', 'member') and not pg_has_role(r.oid, 'ward_owner', 'member')) then
    raise exception '"%" is no login that has ward_app''s rights and no more', login_role using errcode = '22023', hint = 'create role ... login in role ward_app';
  end if;
  insert into tenancy.application (aud, login_role, note) values (add_application.aud, add_application.login_role, coalesce(add_application.note, ''));
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'application add', 'aud', aud, 'login_role', login_role)::text);
  return aud;
end $$;
-- +goose StatementEnd
grant execute on function tenancy.audience_allowed to ward_keys;
grant execute on function tenancy.sign_in, tenancy.signed_in, tenancy.refresh, tenancy.sign_out, tenancy.sign_out_everywhere to ward_app, ward_reviewer;
grant execute on function tenancy.revoke_sessions, tenancy.rotate_signing_key, tenancy.add_application to ward_reviewer;
reset role;
