-- Tokens and tenancy.begin: the identity of a transaction, proven by a token that the database itself checks.
-- Every function that a policy, view or trigger reaches pins search_path to pg_catalog, pg_temp, definer or not: pg_temp is searched first
-- for type names otherwise.

-- +goose Up
set local role ward_keys;
-- +goose StatementBegin
-- What runs in every transaction is plpgsql: a SQL function that pins its search_path cannot be inlined and is planned anew at each call.
create function tenancy.b64(b bytea) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as
$$ begin return rtrim(translate(encode(b, 'base64'), E'+/\n', '-_'), '='); end $$;
create function tenancy.unb64(t text) returns bytea language plpgsql immutable set search_path = pg_catalog, pg_temp as
$$ begin return decode(replace(replace(t, '-', '+'), '_', '/') || repeat('=', (4 - length(t) % 4) % 4), 'base64'); end $$;

-- A compact JWS (RFC 7515) with HS256, signed with the newest live key. The key never leaves this function. Keys whose time has come lose their secret first.
create function tenancy.sign(claims jsonb) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k record; signed text;
begin
  update tenancy.signing_key set retired_at = retire_at, secret = null where retired_at is null and retire_at <= clock_timestamp();
  select head, secret into k from tenancy.signing_key where retired_at is null and retire_at is null order by created_at desc limit 1;
  if not found then raise exception 'ward is not initialised: run ward init' using errcode = '55000'; end if;
  signed := k.head || '.' || tenancy.b64(convert_to(claims::text, 'utf8'));
  return signed || '.' || tenancy.b64(public.hmac(convert_to(signed, 'utf8'), k.secret, 'sha256'));
end $$;

-- What a token proves. why is null when it is accepted; the rest is null when the signature is not ours.
create type tenancy.proof as (why text, claims text, c jsonb, session_id uuid, user_id uuid, tenant_id uuid, membership_id uuid);

-- Judges a token by everything but the call that it came with: signature, expiry, session, membership, region, audience. Judged anew in each transaction, since
-- revocation and termination bite in the next one. An unknown head is no key. Nothing of the token is decoded before its signature holds, which is computed and compared as
-- text, both sides hashed once more, so that the time of the comparison tells nothing about it. One query, because starting each costs more than what it does. A
-- connection keeps its plan, made perhaps when the tables were small; hence no sequential scans, here and in what else runs in every transaction, and subqueries, which unlike joins are not hashed.
-- User and membership are looked up each time, and not noted in the session when they end: a session that is being opened at that moment would have to lock them, and whoever
-- opens it could leave that transaction open, and so keep their own end waiting.
-- (A sequential scan in spite of that costs so much, by the planner's count, that the plan would be compiled, which takes a second: hence "where one", and no jit for what this calls.)
create function tenancy.proven(token text) returns tenancy.proof language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare p tenancy.proof; b bytea := convert_to(token, 'utf8'); n int := octet_length(token);
begin
  if n between 48 and 4096 then
    select v.claims, w.c, x.session_id, x.user_id, x.tenant_id, x.membership_id, case
        when clock_timestamp() < here.seen_at - interval '5 seconds' then 'the server''s clock has gone back'
        when (w.c->>'exp')::numeric <= extract(epoch from clock_timestamp()) then 'expired'
        when (w.c->>'iat')::numeric > extract(epoch from clock_timestamp()) + 5 then 'issued in the future: the server''s clock has gone back'
        when w.c->>'rgn' is distinct from here.region then 'another region''s token'
        when x.session_id is null or x.user_id is distinct from (w.c->>'sub')::uuid or x.tenant_id is distinct from (w.c->>'tid')::uuid or x.membership_id is distinct from (w.c->>'mid')::uuid
          or x.aud is distinct from w.c->>'aud' then 'token and session differ'
        when not coalesce((w.c->>'jti')::uuid = any (x.issued), false) then 'token of no committed sign-in or refresh'
        when x.revoked_at is not null then 'session revoked'
        when x.expires_at <= clock_timestamp() then 'session expired'
        else coalesce(
          (select case when u.disabled_at is not null then 'user disabled' when x.created_at <= u.sessions_after then 'session revoked' end from tenancy.users u where u.id = x.user_id),
          (select case when m.terminated_at is not null then 'membership terminated' end from tenancy.membership m where m.id = x.membership_id),
          case when x.login_role is distinct from session_user and not tenancy.audience_allowed(x.aud) then 'a token of another application'
            when x.aud = 'review' and not tenancy.may_review(x.user_id) then 'no reviewer grant in force' end)
      end into p.claims, p.c, p.session_id, p.user_id, p.tenant_id, p.membership_id, p.why
    from tenancy.signing_key k
      cross join lateral (select replace(replace(split_part(token, '.', 2), '-', '+'), '_', '/') as body where sha256(substr(b, n - 43))
        = sha256(convert_to('.' || rtrim(replace(replace(encode(public.hmac(substr(b, 1, n - 44), k.secret, 'sha256'), 'base64'), '+', '-'), '/', '_'), '='), 'utf8')) offset 0) signed
      cross join lateral (select convert_from(decode(signed.body || repeat('=', (4 - octet_length(signed.body) % 4) % 4), 'base64'), 'utf8') as claims offset 0) v
      cross join lateral (select v.claims::jsonb as c offset 0) w
      cross join tenancy.instance here left join tenancy.session x on x.session_id = (w.c->>'sid')::uuid
    where here.one and k.head = split_part(token, '.', 1) and k.retired_at is null and (k.retire_at is null or k.retire_at > clock_timestamp());
  end if;
  if p.claims is null then p.why := 'signature'; end if;
  return p;
end $$;

-- Counts what tenancy.begin accepted in a session. It goes neither back with a savepoint nor anywhere by SQL of the client, so that only the newest
-- identity holds: a client with two tokens could otherwise begin both in one transaction and put the first one's claims back in mid-statement.
create unlogged sequence tenancy.begun;

-- A keyed hash for values that must be comparable and never readable (search terms).
create function tenancy.fingerprint(value text) returns text language sql stable security definer set search_path = pg_catalog, pg_temp as
$$ select encode(public.hmac(convert_to(value, 'utf8'), secret, 'sha256'), 'hex') from tenancy.mac_key $$;

-- A new key signs from now on. The old ones verify for overlap more, which is as long as a token of theirs can live; without an overlap their secrets go at once.
create function tenancy.rotate_key(overlap interval default '10 minutes') returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k text; t timestamptz;
begin
  perform pg_advisory_xact_lock(hashtext('ward signing keys'));
  t := clock_timestamp();
  k := 'k' || to_char(t at time zone 'UTC', 'YYYYMMDDHH24MISSUS');
  update tenancy.signing_key set retire_at = least(retire_at, t + overlap) where retired_at is null;
  update tenancy.signing_key set retired_at = retire_at, secret = null where retired_at is null and retire_at <= t;
  insert into tenancy.signing_key (kid, head, secret) values (k, tenancy.b64(convert_to(jsonb_build_object('alg', 'HS256', 'typ', 'JWT', 'kid', k)::text, 'utf8')), public.gen_random_bytes(32));
  return k;
end $$;

-- The proven identity of this transaction, or null when there is none. What ward's own policies rest on, and what a customer's should:
-- the setting request.jwt.claims alone is forgeable by any SQL. Besides the MAC it checks the session itself, so that claims put back
-- after a revocation (several transactions in one message share now()) are refused, and the isolation level, because an old snapshot
-- would not see that revocation. The MAC is computed here as tenancy.begin does, from which it must not differ: every call of a function that pins its
-- search_path costs, and this one is made several times in each statement.
create function tenancy.claims() returns jsonb language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare c text := nullif(current_setting('request.jwt.claims', true), ''); deadline text := current_setting('request.jwt.deadline', true); mac text := current_setting('request.jwt.mac', true); j jsonb; k bytea; live boolean;
begin
  if c is null then return null; end if;
  j := c::jsonb;
  select m.secret, exists (select from tenancy.session s where s.session_id = (j->>'sid')::uuid and s.revoked_at is null) into k, live from tenancy.mac_key m where m.one;
  -- the length first: before any begin in this session there is no count to compute a MAC with
  if length(mac) is distinct from 64 or encode(public.hmac(convert_to(concat_ws('|', length(c), c, deadline, pg_backend_pid(), extract(epoch from now()), currval('tenancy.begun')), 'utf8'), k, 'sha256'), 'hex') is distinct from mac then
    raise exception 'unsigned claims: only tenancy.begin sets an identity' using errcode = '28000';
  end if;
  -- nor can there be more left than an identity ever has: then the clock has been set back meanwhile
  if deadline::numeric - extract(epoch from clock_timestamp()) not between 0 and 60 then
    raise exception 'this identity has run out: begin again' using errcode = '28000';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'an identity holds in READ COMMITTED only' using errcode = '25001';
  end if;
  if not live then
    raise exception 'this session has ended: sign in again' using errcode = '28000';
  end if;
  return j;
end $$;
-- +goose StatementEnd
grant execute on function tenancy.b64, tenancy.unb64, tenancy.sign, tenancy.proven, tenancy.fingerprint, tenancy.rotate_key to ward_owner;
grant execute on function tenancy.fingerprint to ward_reader;
grant execute on function tenancy.claims to ward_owner, ward_reader, ward_app, ward_worker, ward_reviewer;
reset role;

set local role ward_owner;
-- +goose StatementBegin
create function tenancy.tenant_id() returns uuid language plpgsql stable parallel restricted set search_path = pg_catalog, pg_temp as
$$ begin return (tenancy.claims()->>'tid')::uuid; end $$;
create function tenancy.user_id() returns uuid language plpgsql stable parallel restricted set search_path = pg_catalog, pg_temp as
$$ begin return (tenancy.claims()->>'sub')::uuid; end $$;
-- the name that PostgREST and Supabase policies use
create function auth.jwt() returns jsonb language plpgsql stable parallel restricted set search_path = pg_catalog, pg_temp as
$$ begin return tenancy.claims(); end $$;

create function tenancy.region_here() returns text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as
$$ begin return (select region from tenancy.instance); end $$;
-- the tenant of events that belong to no clinic
create function tenancy.installation() returns uuid language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid;
begin
  select t0.id into t from tenancy.tenant t0 join tenancy.instance i on i.region = t0.region where t0.kind = 'installation';
  if t is null then raise exception 'ward is not initialised: run ward init' using errcode = '55000'; end if;
  return t;
end $$;

-- Leaves nothing of a connection's user to its next one: what DISCARD ALL does, but for plans and for statements prepared through the protocol
-- (docs/design/pipeline.md says why those may stay). Its answer is how much the connection holds that is not to be wiped (statements prepared by SQL, a temporary schema),
-- which must be none, and how many statements were prepared through the protocol. RESET ALL comes last and outlives the function, whose own search_path it ends.
create function tenancy.wipe() returns text language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare held text;
begin
  select concat(count(*) filter (where from_sql) + (pg_my_temp_schema() <> 0)::int, ' ', count(*) filter (where not from_sql)), pg_advisory_unlock_all() from pg_prepared_statements into held;
  execute 'close all';
  unlisten *;
  discard temp;
  discard sequences;
  reset session authorization;
  reset all;
  return held;
end $$;

-- Writes one event under the transaction's own identity; without one, under nobody's. Reachable from ward's functions only; c spares one that has
-- checked the claims already doing it again.
create function audit.write(tenant uuid, action text, outcome text default 'ok', detail text default null, record_table text default null, record_id uuid default null,
  subject_id uuid default null, purpose text default null, disclosure uuid default null, c jsonb default tenancy.claims()) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare id bigint;
begin
  insert into audit.event (tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, outcome, record_table, record_id, subject_id, purpose, detail)
  values (tenant, (c->>'sub')::uuid, coalesce(c->>'kind', 'unknown'), (c->>'sid')::uuid, (c->>'mid')::uuid, disclosure, action, outcome, record_table, record_id, subject_id, purpose, detail)
  returning event_id into id;
  return id;
end $$;

-- The same for somebody who has no identity yet, or is being refused one.
create function audit.write_as(tenant uuid, who uuid, session uuid, membership uuid, action text, outcome text, detail text) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into audit.event (tenant_id, user_id, actor_kind, session_id, membership_id, action, outcome, detail)
  values (tenant, who, coalesce((select kind from tenancy.users u where u.id = who), 'unknown'), session, membership, action, outcome, detail)
$$;

-- The event of a token that was refused. Whose a token is whose signature does not hold, is not known.
create function audit.refused(p tenancy.proof, why text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform audit.write_as(coalesce(p.tenant_id, tenancy.installation()), p.user_id, p.session_id, p.membership_id, 'refuse', 'denied', jsonb_build_object('reason', why)::text);
end $$;

create function tenancy.may_review(who uuid) returns boolean language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return exists (select from tenancy.reviewer_grant g where g.user_id = who and g.ended_at is null and g.starts_at <= clock_timestamp() and (g.expires_at is null or g.expires_at > clock_timestamp()))
    or exists (select from tenancy.on_call o where o.user_id = who and o.removed_at is null);  -- may take a grant, and nothing else until then
end $$;

-- +goose StatementEnd
grant execute on function audit.refused, tenancy.may_review to ward_keys;
grant execute on function tenancy.wipe to ward_app, ward_worker, ward_reviewer, ward_identity, ward_migrate;
reset role;

set local role ward_keys;
-- +goose StatementBegin
-- Why the statement that calls begin cannot be trusted with an identity, or null. The token must not stand in the query text, which other sessions of the
-- same role may see; begin must be a statement of its own, reading and writing no table, because one inside another statement would change who it
-- is recorded under between its rows, and calling nothing else, because query_to_xml runs a statement whose words the text need not show. The pattern
-- reads the text as PostgreSQL's lexer does: a comment that opens another one inside, and a carriage return that ends one, would let it see a
-- "select" that is none. Dollar quotes, because standard_conforming_strings is the client's to set.
create function tenancy.unfit(token text) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return case
    when position(token in current_query()) > 0 then 'the token stood in the query text: send it as a bind parameter'
    when coalesce(current_query(), '') !~* $re$^(\s|--[^\n\r]*[\n\r]|/\*((?!/\*|\*/).)*\*/)*select\M[^;]*;?\s*\Z$re$ or current_query() ~* $re$\m(from|table|insert|update|delete|merge|declare|copy)\M$re$ or regexp_replace(current_query(), $re$^(\s|--[^\n\r]*[\n\r]|/\*((?!/\*|\*/).)*\*/)*$re$, '')
      ~* $re$\m(?!(select|begin|coalesce|nullif|current_setting)\M)\w+\s*\(|[")]\s*[.(]|\$\d+\s*\.|/\*|--$re$ then 'begin was not a select of its own'
  end;
end $$;

-- Opens the identity of this transaction. Returns null when the token is accepted, else the reason: a raise would undo the 'refuse' event.
-- A refusal leaves no identity, so everything that follows in the transaction is denied. disclosure names what was asked for and committed before. strict raises all the same: for a
-- pipeline whose later statements must not run, where an earlier transaction of it has written the event or the caller begins once more to have it written.
-- The text that ward's own pipeline sends (a test holds the two together) passes tenancy.unfit and is not shown to it. The session must hold nothing that
-- a previous user of the connection could have left in it.
create function tenancy.begin(token text, disclosure uuid default null, strict boolean default false) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare p tenancy.proof; why text; deadline text; k bytea; lasts interval;
begin
  if nullif(current_setting('request.jwt.claims', true), '') is not null then
    why := 'the transaction has an identity already';
  elsif current_setting('transaction_isolation') <> 'read committed' then
    why := 'the transaction is not READ COMMITTED';
  elsif current_query() is distinct from $own$select coalesce(tenancy.begin($1, $2, $3), '')$own$ then
    why := tenancy.unfit(token);
  end if;
  if why is null then
    -- key and length in the same query, because one of its own costs
    select m.secret, s.identity, case
      when exists (select from pg_prepared_statements where from_sql) then 'the session holds a statement prepared by SQL: DISCARD ALL first'
      when exists (select from pg_cursors where is_holdable) then 'the session holds a WITH HOLD cursor: DISCARD ALL first'
      when pg_my_temp_schema() <> 0 then 'the session has temporary objects: use another connection' end into k, lasts, why from tenancy.mac_key m cross join tenancy.setting s;
  end if;
  if why is null then
    p := tenancy.proven(token);
    why := p.why;
  end if;
  if why is not null then
    if strict then raise exception 'refused: %', why using errcode = '28000'; end if;
    perform set_config('request.jwt.claims', '', true), set_config('request.jwt.mac', '', true), set_config('request.jwt.deadline', '', true), set_config('ward.disclosure', '', true),
      set_config('search_path', 'public, pg_catalog, pg_temp', true), audit.refused(p, why);
    return why;
  end if;
  deadline := least((p.c->>'exp')::numeric, extract(epoch from clock_timestamp() + lasts))::text;
  -- Claims bound to this backend, this transaction, the newest begin and the deadline, exactly as tenancy.claims reads them. Assignments, because a perform is a query
  -- of its own.
  why := set_config('request.jwt.claims', p.claims, true);
  why := set_config('request.jwt.deadline', deadline, true);
  why := set_config('request.jwt.mac', encode(public.hmac(convert_to(concat_ws('|', length(p.claims), p.claims, deadline, pg_backend_pid(), extract(epoch from now()), nextval('tenancy.begun')), 'utf8'), k, 'sha256'), 'hex'), true);
  why := set_config('ward.disclosure', coalesce(disclosure::text, ''), true);
  why := set_config('search_path', 'public, pg_catalog, pg_temp', true);
  return null;
end $$;
-- +goose StatementEnd
grant execute on function tenancy.begin to ward_app, ward_reviewer;
reset role;

set local role ward_owner;
grant execute on function tenancy.tenant_id, tenancy.user_id, auth.jwt to ward_app, ward_reader, ward_reviewer, ward_worker;
grant execute on function audit.write to ward_reader;
reset role;
