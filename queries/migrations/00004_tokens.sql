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
  select kid, secret into k from tenancy.signing_key where retired_at is null and retire_at is null order by created_at desc limit 1;
  if not found then raise exception 'ward is not initialised: run ward init' using errcode = '55000'; end if;
  signed := tenancy.b64(convert_to(jsonb_build_object('alg', 'HS256', 'typ', 'JWT', 'kid', k.kid)::text, 'utf8')) || '.' || tenancy.b64(convert_to(claims::text, 'utf8'));
  return signed || '.' || tenancy.b64(public.hmac(convert_to(signed, 'utf8'), k.secret, 'sha256'));
end $$;

-- The claims of a token whose signature holds, as the exact signed text; null for anything else. An unknown kid, a wrong algorithm and a
-- malformed token are all null: "k is null" must never compare equal to a forged signature.
create function tenancy.verified(token text) returns text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare head text := translate(split_part(token, '.', 1), '-_', '+/'); body text := translate(split_part(token, '.', 2), '-_', '+/'); j jsonb; k bytea; given bytea; claims text;
begin
  if token is null or length(token) > 4096 or token !~ '^[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]{43}$' then return null; end if;
  j := convert_from(decode(head || repeat('=', (4 - length(head) % 4) % 4), 'base64'), 'utf8')::jsonb;
  if j->>'alg' is distinct from 'HS256' then return null; end if;
  select secret into k from tenancy.signing_key where kid = j->>'kid' and retired_at is null and (retire_at is null or retire_at > clock_timestamp());
  if k is null then return null; end if;
  given := decode(translate(right(token, 43), '-_', '+/') || '=', 'base64');
  -- both sides are hashed once more, so that the time of the comparison tells nothing about the signature
  if public.hmac(given, k, 'sha256') is distinct from public.hmac(public.hmac(convert_to(left(token, -44), 'utf8'), k, 'sha256'), k, 'sha256') then return null; end if;
  claims := convert_from(decode(body || repeat('=', (4 - length(body) % 4) % 4), 'base64'), 'utf8');
  j := claims::jsonb;  -- raises when it is none
  return claims;
exception when data_exception or character_not_in_repertoire or untranslatable_character then return null;
end $$;

-- Counts what tenancy.begin accepted in a session. It goes neither back with a savepoint nor anywhere by SQL of the client, so that only the newest
-- identity holds: a client with two tokens could otherwise begin both in one transaction and put the first one's claims back in mid-statement.
create unlogged sequence tenancy.begun;
grant usage on sequence tenancy.begun to ward_owner;

-- Binds claims to this backend, this transaction, the newest begin and a deadline.
create function tenancy.mac(claims text, deadline text) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k bytea;
begin
  select secret into k from tenancy.mac_key;
  return encode(public.hmac(convert_to(concat_ws('|', length(claims), claims, deadline, pg_backend_pid(), extract(epoch from now()), currval('tenancy.begun')), 'utf8'), k, 'sha256'), 'hex');
end $$;

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
  insert into tenancy.signing_key (kid, secret) values (k, public.gen_random_bytes(32));
  return k;
end $$;

-- The proven identity of this transaction, or null when there is none. What ward's own policies rest on, and what a customer's should:
-- the setting request.jwt.claims alone is forgeable by any SQL. Besides the MAC it checks the session itself, so that claims put back
-- after a revocation (several transactions in one message share now()) are refused, and the isolation level, because an old snapshot
-- would not see that revocation. The MAC is computed here and not by tenancy.mac, from which it must not differ: every call of a function that pins its
-- search_path costs, and this one is made several times in each statement.
create function tenancy.claims() returns jsonb language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp as $$
declare c text := nullif(current_setting('request.jwt.claims', true), ''); deadline text := current_setting('request.jwt.deadline', true); mac text := current_setting('request.jwt.mac', true); j jsonb; k bytea;
begin
  if c is null then return null; end if;
  select secret into k from tenancy.mac_key;
  -- the length first: before any begin in this session there is no count to compute a MAC with
  if length(mac) is distinct from 64 or encode(public.hmac(convert_to(concat_ws('|', length(c), c, deadline, pg_backend_pid(), extract(epoch from now()), currval('tenancy.begun')), 'utf8'), k, 'sha256'), 'hex') is distinct from mac then
    raise exception 'unsigned claims: only tenancy.begin sets an identity' using errcode = '28000';
  end if;
  if deadline::numeric < extract(epoch from clock_timestamp()) then
    raise exception 'this identity has run out: begin again' using errcode = '28000';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'an identity holds in READ COMMITTED only' using errcode = '25001';
  end if;
  j := c::jsonb;
  if not exists (select from tenancy.session s where s.session_id = (j->>'sid')::uuid and s.revoked_at is null) then
    raise exception 'this session has ended: sign in again' using errcode = '28000';
  end if;
  return j;
end $$;
-- +goose StatementEnd
grant execute on function tenancy.b64, tenancy.unb64, tenancy.sign, tenancy.verified, tenancy.mac, tenancy.fingerprint, tenancy.rotate_key to ward_owner;
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

create function tenancy.may_review(who uuid) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from tenancy.reviewer_grant g where g.user_id = who and g.ended_at is null and g.starts_at <= clock_timestamp() and (g.expires_at is null or g.expires_at > clock_timestamp()))
    or exists (select from tenancy.on_call o where o.user_id = who and o.removed_at is null)  -- may take a grant, and nothing else until then
$$;

-- Why this call itself cannot be trusted with an identity, or null. The token must not stand in the query text, which other sessions of the
-- same role may see; begin must be a statement of its own, reading and writing no table, because one inside another statement would change who it
-- is recorded under between its rows, and calling nothing else, because query_to_xml runs a statement whose words the text need not show; and the
-- session must hold nothing that a previous user of the connection could have left in it. The pattern
-- reads the text as PostgreSQL's lexer does: a comment that opens another one inside, and a carriage return that ends one, would let it see a
-- "select" that is none. Dollar quotes, because standard_conforming_strings is the client's to set. The text that ward's own pipeline sends (a test
-- holds the two together) passes the patterns, so it is not searched by them.
create function tenancy.unfit(token text) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  return case
    when current_setting('transaction_isolation') <> 'read committed' then 'the transaction is not READ COMMITTED'
    when position(token in current_query()) > 0 then 'the token stood in the query text: send it as a bind parameter'
    when current_query() is distinct from $own$select coalesce(tenancy.begin($1, $2), '')$own$ and (coalesce(current_query(), '') !~* $re$^(\s|--[^\n\r]*[\n\r]|/\*((?!/\*|\*/).)*\*/)*select\M[^;]*;?\s*\Z$re$ or current_query() ~* $re$\m(from|table|insert|update|delete|merge|declare|copy)\M$re$ or regexp_replace(current_query(), $re$^(\s|--[^\n\r]*[\n\r]|/\*((?!/\*|\*/).)*\*/)*$re$, '')
      ~* $re$\m(?!(select|begin|coalesce|nullif|current_setting)\M)\w+\s*\(|[")]\s*[.(]|\$\d+\s*\.|/\*|--$re$) then 'begin was not a select of its own'
    when exists (select from pg_prepared_statements where from_sql) then 'the session holds a statement prepared by SQL: DISCARD ALL first'
    when exists (select from pg_cursors where is_holdable) then 'the session holds a WITH HOLD cursor: DISCARD ALL first'
    when pg_my_temp_schema() <> 0 then 'the session has temporary objects: use another connection'
  end;
end $$;

-- Opens the identity of this transaction. Returns null when the token is accepted, else the reason: a raise would undo the 'refuse' event.
-- A refusal leaves no identity, so everything that follows in the transaction is denied. disclosure names what was asked for and committed before.
create function tenancy.begin(token text, disclosure uuid default null) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare claims text; c jsonb; s record; why text; deadline text; n bigint;
begin
  why := case when nullif(current_setting('request.jwt.claims', true), '') is not null then 'the transaction has an identity already' else tenancy.unfit(token) end;
  if why is null then
    claims := tenancy.verified(token);
    if claims is null then
      why := 'signature';
    else
      c := claims::jsonb;
      select x.session_id, x.user_id, x.tenant_id, x.membership_id, x.aud, x.expires_at, x.revoked_at, x.issued, m.terminated_at, t.region, u.disabled_at, here.region as here, conf.identity, a.login_role into s
        from tenancy.instance here cross join tenancy.setting conf left join tenancy.session x on x.session_id = (c->>'sid')::uuid left join tenancy.users u on u.id = x.user_id
        left join tenancy.membership m on m.id = x.membership_id left join tenancy.tenant t on t.id = x.tenant_id
        left join tenancy.application a on a.aud = x.aud;
      why := case
        when (c->>'exp')::numeric <= extract(epoch from clock_timestamp()) then 'expired'
        when c->>'rgn' is distinct from s.here then 'another region''s token'
        when s.session_id is null or s.user_id is distinct from (c->>'sub')::uuid or s.tenant_id is distinct from (c->>'tid')::uuid or s.membership_id is distinct from (c->>'mid')::uuid
          or s.aud is distinct from c->>'aud' then 'token and session differ'
        when not coalesce((c->>'jti')::uuid = any (s.issued), false) then 'token of no committed sign-in or refresh'
        when s.revoked_at is not null then 'session revoked'
        when s.expires_at <= clock_timestamp() then 'session expired'
        when s.disabled_at is not null then 'user disabled'
        when s.terminated_at is not null then 'membership terminated'
        when s.tenant_id is not null and s.region is distinct from s.here then 'the clinic lives in another region'
        when s.login_role is distinct from session_user and not tenancy.audience_allowed(s.aud) then 'a token of another application'
        when s.aud = 'review' and not tenancy.may_review(s.user_id) then 'no reviewer grant in force'
      end;
    end if;
  end if;
  if why is not null then
    perform set_config('request.jwt.claims', '', true), set_config('request.jwt.mac', '', true), set_config('request.jwt.deadline', '', true), set_config('ward.disclosure', '', true),
      set_config('search_path', 'public, pg_catalog, pg_temp', true);
    if c is null then  -- whose token it is, is not known
      perform audit.write_as(tenancy.installation(), null, null, null, 'refuse', 'denied', jsonb_build_object('reason', why)::text);
    else
      perform audit.write_as(coalesce(s.tenant_id, tenancy.installation()), s.user_id, s.session_id, s.membership_id, 'refuse', 'denied', jsonb_build_object('reason', why)::text);
    end if;
    return why;
  end if;
  n := nextval('tenancy.begun');
  deadline := least((c->>'exp')::numeric, extract(epoch from clock_timestamp() + s.identity))::text;
  -- assignments, because a perform is a query of its own
  why := set_config('request.jwt.claims', claims, true);
  why := set_config('request.jwt.deadline', deadline, true);
  why := set_config('request.jwt.mac', tenancy.mac(claims, deadline), true);
  why := set_config('ward.disclosure', coalesce(disclosure::text, ''), true);
  why := set_config('search_path', 'public, pg_catalog, pg_temp', true);
  return null;
end $$;
-- +goose StatementEnd
grant execute on function tenancy.tenant_id, tenancy.user_id, auth.jwt to ward_app, ward_reader, ward_reviewer, ward_worker;
grant execute on function tenancy.begin to ward_app, ward_reviewer;
grant execute on function audit.write to ward_reader;
reset role;
