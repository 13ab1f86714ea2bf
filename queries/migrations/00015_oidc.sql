-- Signing in by an OpenID Connect provider. The database itself verifies the identity token: the program that presents it runs on a reviewer's laptop
-- and must not be able to say who somebody is.

-- +goose Up
set local role ward_owner;

-- The providers that an administrator declared; ended, never removed.
create table tenancy.issuer (
  id           uuid primary key default gen_random_uuid(),
  issuer       text not null check (issuer ~ '^https://[^?#\s]+$' or issuer ~ '^http://(localhost|127[.][0-9]+[.][0-9]+[.][0-9]+|\[::1\])(:[0-9]+)?(/[^?#\s]*)?$'),
  client_id    text not null check (client_id <> ''),
  endpoints    jsonb not null,                        -- of discovery: jwks_uri, token_endpoint, device_authorization_endpoint
  required_acr text[] not null default '{}',          -- acr is one of these, where there are any
  required_amr text[] not null default '{}',          -- amr holds all of these
  declared_by  uuid not null references tenancy.users,
  declared_at  timestamptz not null default clock_timestamp(),
  fetched_at   timestamptz not null default clock_timestamp(),
  ended_at     timestamptz
);
create unique index issuer_live on tenancy.issuer (issuer) where ended_at is null;

-- A provider's public keys. The algorithm is the key's, never what a token's header says. RS256 is what OpenID Connect Core 1.0 section 15.1 asks of
-- every provider; other algorithms are not supported.
create table tenancy.issuer_key (
  id         uuid primary key default gen_random_uuid(),
  issuer_id  uuid not null references tenancy.issuer,
  kid        text not null check (length(kid) between 1 and 200),
  alg        text not null default 'RS256' check (alg = 'RS256'),
  n          bytea not null check (length(n) between 256 and 512 and get_byte(n, 0) >= case length(n) when 256 then 128 else 1 end and get_byte(n, length(n) - 1) % 2 = 1),
  e          int not null check (e >= 65537 and e % 2 = 1),
  added_at   timestamptz not null default clock_timestamp(),
  retired_at timestamptz
);
create unique index issuer_key_live on tenancy.issuer_key (issuer_id, kid) where retired_at is null;

-- Whose identity a provider's subject is. The key makes a subject one user's for ever; a user may have several. A mail address is no identity.
create table tenancy.identity (
  issuer    text not null check (issuer <> ''),
  subject   text not null check (length(subject) between 1 and 255),
  user_id   uuid not null references tenancy.users,
  linked_by uuid not null references tenancy.users,
  linked_at timestamptz not null default clock_timestamp(),
  ended_at  timestamptz,
  primary key (issuer, subject)
);
create index identity_user on tenancy.identity (user_id);
create trigger no_delete before delete on tenancy.identity for each row execute function tenancy.no_delete();
create trigger no_delete before delete on tenancy.issuer for each row execute function tenancy.no_delete();
create trigger no_truncate before truncate on tenancy.identity for each statement execute function tenancy.no_delete();
create trigger no_truncate before truncate on tenancy.issuer for each statement execute function tenancy.no_delete();
-- +goose StatementBegin
create function tenancy.identity_guard() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.issuer, new.subject, new.user_id) is distinct from (old.issuer, old.subject, old.user_id) then
    raise exception 'an identity stays the user''s whom it was first linked to' using errcode = '42501';
  end if;
  return new;
end $$;
-- +goose StatementEnd
create trigger identity_guard before update on tenancy.identity for each row execute function tenancy.identity_guard();

-- Tokens that were used, until none can be used any more: eleven minutes at most, since older ones are refused for their age.
create table tenancy.used_token (
  sha256 bytea primary key,
  until  timestamptz not null
);
create index used_token_until on tenancy.used_token (until);

-- +goose StatementBegin
-- The unsigned number that big-endian bytes stand for (RFC 8017 4.2, OS2IP), seven bytes at a time.
create function tenancy.os2ip(b bytea) returns numeric language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
declare v numeric := 0; head int := length(b) % 7; h text := encode(b, 'hex'); i int;
begin
  if head > 0 then v := ('x' || lpad(left(h, head * 2), 16, '0'))::bit(64)::bigint; end if;
  for i in 0..length(b) / 7 - 1 loop
    v := v * 72057594037927936 + ('x00' || substr(h, head * 2 + i * 14 + 1, 14))::bit(64)::bigint;
  end loop;
  return v;
end $$;

-- Whether signature is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2.2) of signed under the key (n, e). numeric is exact, so that s^e mod n is too. The
-- block that a right signature yields is built and compared whole; nothing of what the signature yields is parsed, because that is where such
-- verifiers were broken (CVE-2006-4339 and its successors). Both numbers stand for blocks of the same length, so that comparing them compares every byte.
-- Refused: keys under 2048 or over 4096 bits, small or even exponents, a signature of another length than the key's, and one that is not below n.
create function tenancy.rs256(signed bytea, signature bytea, n bytea, e int) returns boolean language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare k int := length(n); m numeric; s numeric; r numeric; i int;
begin
  if signed is null or signature is null or n is null or e is null or k not between 256 and 512 or length(signature) <> k or e < 65537 or e % 2 = 0 then return false; end if;
  if get_byte(n, 0) < (case k when 256 then 128 else 1 end) or get_byte(n, k - 1) % 2 = 0 then return false; end if;
  m := tenancy.os2ip(n);
  s := tenancy.os2ip(signature);
  if s >= m then return false; end if;
  r := s;
  for i in reverse floor(log(2, e))::int - 1 .. 0 loop
    r := mod(r * r, m);
    if (e >> i) & 1 = 1 then r := mod(r * s, m); end if;
  end loop;
  return r = tenancy.os2ip('\x0001'::bytea || decode(repeat('ff', k - 54), 'hex') || '\x003031300d060960864801650304020105000420'::bytea || sha256(signed));
end $$;

-- The claims of an identity token that this installation accepts, with its issuer's row; else why not. It is refused for what it is not as well: an access
-- token (RFC 9068) or a logout token may be signed with the same key for the same client.
create function tenancy.identity_claims(id_token text, out claims jsonb, out issuer tenancy.issuer, out until timestamptz, out why text) language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare head jsonb; k tenancy.issuer_key; aud jsonb; now_s numeric := extract(epoch from clock_timestamp());
begin
  why := 'not an identity token';
  if id_token is null or length(id_token) > 16384 or id_token !~ '^[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+$' then return; end if;
  head := convert_from(tenancy.unb64(split_part(id_token, '.', 1)), 'utf8')::jsonb;
  claims := convert_from(tenancy.unb64(split_part(id_token, '.', 2)), 'utf8')::jsonb;
  if jsonb_typeof(head) <> 'object' or jsonb_typeof(claims) <> 'object' or head ? 'crit' or upper(coalesce(head->>'typ', 'JWT')) <> 'JWT' or claims ? 'events' then return; end if;
  select * into issuer from tenancy.issuer i where i.issuer = claims->>'iss' and i.ended_at is null;
  if issuer.id is null then why := 'the issuer is not declared here'; return; end if;
  select * into k from tenancy.issuer_key x where x.issuer_id = issuer.id and x.kid = head->>'kid' and x.retired_at is null;
  if k.id is null then why := 'the key is not one of the issuer''s: ward oidc refresh'; return; end if;
  if head->>'alg' is distinct from k.alg or not tenancy.rs256(convert_to(split_part(id_token, '.', 1) || '.' || split_part(id_token, '.', 2), 'utf8'), tenancy.unb64(split_part(id_token, '.', 3)), k.n, k.e) then
    why := 'signature'; return;
  end if;
  aud := case jsonb_typeof(claims->'aud') when 'array' then claims->'aud' else jsonb_build_array(claims->'aud') end;
  until := to_timestamp(least((claims->>'exp')::numeric, (claims->>'iat')::numeric + 660));
  why := case
    when jsonb_typeof(claims->'iss') <> 'string' or jsonb_typeof(claims->'sub') is distinct from 'string' or jsonb_typeof(claims->'iat') is distinct from 'number' or jsonb_typeof(claims->'exp') is distinct from 'number'
      then 'not an identity token'
    when not aud @> to_jsonb(issuer.client_id) or (jsonb_array_length(aud) > 1 or claims ? 'azp') and claims->>'azp' is distinct from issuer.client_id then 'a token for another client'
    when (claims->>'exp')::numeric <= now_s then 'expired'
    when (claims->>'iat')::numeric < now_s - 600 then 'issued more than ten minutes ago'
    when (claims->>'iat')::numeric > now_s + 60 or coalesce((claims->>'nbf')::numeric, 0) > now_s + 60 then 'issued in the future: one of the clocks is wrong'
    when cardinality(issuer.required_acr) > 0 and not coalesce(claims->>'acr' = any (issuer.required_acr), false)
      or cardinality(issuer.required_amr) > 0 and not coalesce(jsonb_typeof(claims->'amr') = 'array' and claims->'amr' @> to_jsonb(issuer.required_amr), false)
      then 'the provider did not ask for the second factor that is required here'
  end;
exception when data_exception or character_not_in_repertoire or untranslatable_character then why := 'not an identity token';
end $$;

-- Signs in whom the provider's identity token names; answers as signed_in does, with needs and choices for whoever the token proves. The token works once: its signed part
-- is remembered, since the text of a signature can be written in several ways. A wrong code uses it up too, so that guessing codes takes a new token each time; an answer that
-- asks for a code or a clinic does not. A code is used up in any case. Nobody is made here: an identity that is not linked is refused.
--
-- One call, where a password takes two: whoever rolls this one back has used the token no more than before, and holds an access token that no committed transaction issued,
-- which tenancy.begin refuses. What the answer tells (is the token good, whose is it) the token's holder could read in it. There is no password to guess; guesses of a
-- code, the one thing that could be learnt unrecorded, are counted where no rollback reaches (00014).
create function tenancy.sign_in_oidc(id_token text, tenant text default null, role text default null, audience text default 'app', code text default null)
  returns tenancy.signed language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare v record; u tenancy.users; r tenancy.signed; factor text; given boolean := false; used bytea;
begin
  if current_setting('transaction_isolation') <> 'read committed' then raise exception 'signing in works in READ COMMITTED only' using errcode = '25001'; end if;
  if position(id_token in current_query()) > 0 then
    r.reason := 'the token stood in the query text: send it as a bind parameter';
  else
    select * into v from tenancy.identity_claims(id_token);
    r.reason := v.why;
  end if;
  if r.reason is null then
    select x.* into u from tenancy.identity i join tenancy.users x on x.id = i.user_id where i.issuer = v.claims->>'iss' and i.subject = v.claims->>'sub' and i.ended_at is null;
    given := cardinality((v.issuer).required_acr) + cardinality((v.issuer).required_amr) > 0;
    code := nullif(btrim(code), '');
    if u.id is not null and not given then factor := tenancy.second_factor(u.id, audience, null); end if;
    if factor is null or code is not null then
      delete from tenancy.used_token x where x.until < clock_timestamp() - interval '1 day';  -- a day more: the clock may go back
      used := sha256(convert_to(left(id_token, length(id_token) - strpos(reverse(id_token), '.')), 'utf8'));
      insert into tenancy.used_token (sha256, until) values (used, v.until) on conflict do nothing;
      if not found then
        r.reason := 'the token was used before';
      elsif u.id is null then
        r.reason := format('subject %s of %s is linked to no user: an administrator does that with ward user link', v.claims->>'sub', v.claims->>'iss');
      elsif factor is not null then
        factor := tenancy.second_factor(u.id, audience, code);
        given := factor is null;
      end if;
    end if;
    if r.reason is null and factor is not null then
      r.needs := 'second_factor';
      r.reason := case factor when 'needed' then 'a second factor is needed' else 'the second factor was not accepted' end;
    end if;
  end if;
  if r.reason is not null then
    perform audit.write_as(tenancy.installation(), u.id, null, null, 'sign_in', 'denied', jsonb_build_object('reason', r.reason, 'method', 'oidc')::text);
    return r;
  end if;
  r := tenancy.open_session(u, audience, tenant, role, 'oidc', given);
  if r.needs is not null then
    delete from tenancy.used_token x where x.sha256 = used;  -- the same token with a clinic will do
  elsif r.session_id is null then
    r.reason := 'this user is not accepted here: no membership, or no reviewer''s grant, is in force for this';
  end if;
  return r;
end $$;

-- What a client needs to know before anybody is signed in; no secret.
create function tenancy.issuers() returns table (issuer text, client_id text) language sql stable security definer set search_path = pg_catalog, pg_temp as
$$ select i.issuer, i.client_id from tenancy.issuer i where i.ended_at is null order by i.declared_at $$;

create function tenancy.issuer_named(named text) returns tenancy.issuer language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare i tenancy.issuer;
begin
  select * into i from tenancy.issuer x where x.issuer = named and x.ended_at is null;
  if i.id is null then raise exception 'issuer % is not declared', named using errcode = '02000', hint = 'ward oidc list shows them; ward oidc add declares one'; end if;
  return i;
end $$;

-- Puts the keys of an issuer in place of what is there: [{"kid", "n" (base64url), "e"}], at most 20. Returns how many came and went.
create function tenancy.put_keys(issuer uuid, keys jsonb) returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare changed int; gone int;
begin
  if jsonb_typeof(keys) is distinct from 'array' or jsonb_array_length(keys) not between 1 and 20 then raise exception 'an issuer has 1 to 20 RSA signing keys' using errcode = '22023'; end if;
  update tenancy.issuer_key k set retired_at = clock_timestamp() where k.issuer_id = put_keys.issuer and k.retired_at is null
    and not exists (select from jsonb_array_elements(keys) j where j->>'kid' = k.kid and tenancy.unb64(j->>'n') = k.n and (j->>'e')::int = k.e);
  get diagnostics gone = row_count;
  insert into tenancy.issuer_key (issuer_id, kid, n, e)
    select put_keys.issuer, j->>'kid', tenancy.unb64(j->>'n'), (j->>'e')::int from jsonb_array_elements(keys) j
    where not exists (select from tenancy.issuer_key k where k.issuer_id = put_keys.issuer and k.retired_at is null and k.kid = j->>'kid');
  get diagnostics changed = row_count;
  return changed + gone;
exception when check_violation or unique_violation or not_null_violation or data_exception then
  raise exception 'the keys are not RSA keys of 2048 to 4096 bits with an exponent of 65537 or more, each with a name of its own' using errcode = '22023';
end $$;
create function tenancy.kids(issuer uuid) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as
$$ select coalesce(jsonb_agg(k.kid order by k.kid), '[]') from tenancy.issuer_key k where k.issuer_id = kids.issuer and k.retired_at is null $$;

create function tenancy.add_issuer(issuer text, client_id text, endpoints jsonb, keys jsonb, required_acr text[] default '{}', required_amr text[] default '{}') returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer_of('configure', null); i uuid;
begin
  if exists (select from tenancy.issuer x where x.issuer = add_issuer.issuer and x.ended_at is null) then raise exception 'issuer % is declared already', issuer using errcode = '23505', hint = 'ward oidc remove it first'; end if;
  insert into tenancy.issuer (issuer, client_id, endpoints, required_acr, required_amr, declared_by)
    values (add_issuer.issuer, add_issuer.client_id, add_issuer.endpoints, coalesce(add_issuer.required_acr, '{}'), coalesce(add_issuer.required_amr, '{}'), who) returning id into i;
  perform tenancy.put_keys(i, keys);
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'oidc add', 'issuer', issuer, 'client_id', client_id, 'acr', required_acr, 'amr', required_amr, 'kids', tenancy.kids(i))::text);
  return i;
end $$;
create function tenancy.end_issuer(issuer text, reason text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare i tenancy.issuer;
begin
  perform tenancy.reviewer_of('configure', null);
  i := tenancy.issuer_named(end_issuer.issuer);
  update tenancy.issuer x set ended_at = clock_timestamp() where x.id = i.id;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'oidc remove', 'issuer', issuer, 'reason', review.need_reason(reason))::text);
  return i.id;
end $$;

-- ward_identity's one function besides tenancy.issuers. The event names the login, since no person is signed in.
create function tenancy.replace_keys(issuer text, keys jsonb) returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare i tenancy.issuer := tenancy.issuer_named(issuer); n int;
begin
  perform from tenancy.issuer x where x.id = i.id for update;
  n := tenancy.put_keys(i.id, keys);
  update tenancy.issuer x set fetched_at = clock_timestamp() where x.id = i.id;
  if n > 0 then
    perform audit.write_as(tenancy.installation(), null, null, null, 'configure', 'ok', jsonb_build_object('what', 'oidc refresh', 'issuer', issuer, 'login', session_user, 'kids', tenancy.kids(i.id))::text);
  end if;
  return n;
end $$;

create function tenancy.link_identity(who text, issuer text, subject text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare by_user uuid := tenancy.reviewer_of('configure', null); u uuid := tenancy.user_named(who); was tenancy.identity;
begin
  perform tenancy.issuer_named(link_identity.issuer);
  if (select x.kind from tenancy.users x where x.id = u) <> 'human' then raise exception '% is a service account: no person signs in as it', who using errcode = '42501'; end if;
  insert into tenancy.identity (issuer, subject, user_id, linked_by) values (link_identity.issuer, link_identity.subject, u, by_user) on conflict do nothing;
  if not found then
    select * into was from tenancy.identity x where x.issuer = link_identity.issuer and x.subject = link_identity.subject for update;
    if was.user_id <> u then raise exception 'this subject is, or was, another user''s: an identity is one user''s for ever' using errcode = '23505'; end if;
    if was.ended_at is null then raise exception 'this subject is linked to % already', who using errcode = '23505'; end if;
    update tenancy.identity x set ended_at = null, linked_by = by_user, linked_at = clock_timestamp() where x.issuer = was.issuer and x.subject = was.subject;
  end if;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'user link', 'user', u, 'issuer', issuer, 'subject', subject)::text);
  return u;
end $$;
create function tenancy.unlink_identity(who text, issuer text, subject text, reason text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare by_user uuid := tenancy.reviewer_of('configure', null); u uuid := tenancy.user_named(who);
begin
  update tenancy.identity x set ended_at = clock_timestamp() where x.issuer = unlink_identity.issuer and x.subject = unlink_identity.subject and x.user_id = u and x.ended_at is null;
  if not found then raise exception 'this subject is not linked to %', who using errcode = '02000', hint = 'ward oidc list --json shows the links'; end if;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'user unlink', 'user', u, 'issuer', issuer, 'subject', subject, 'reason', review.need_reason(reason))::text);
  return u;
end $$;

create function tenancy.browse_issuers(ask uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform tenancy.reviewer_of('configure', null);
  perform audit.look(ask, 'list:issuers', 'browse', null, '{}', null);
end $$;
create function tenancy.listed_issuers() returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform audit.the_ask('list:issuers');
  perform tenancy.reviewer_of('configure', null);
  return query select jsonb_build_object('id', i.id, 'issuer', i.issuer, 'client_id', i.client_id, 'required_acr', i.required_acr, 'required_amr', i.required_amr, 'kids', tenancy.kids(i.id), 'declared_by', d.slug,
      'declared_at', i.declared_at, 'fetched_at', i.fetched_at, 'ended_at', i.ended_at,
      'identities', coalesce((select jsonb_agg(jsonb_build_object('subject', x.subject, 'user', u.slug, 'linked_by', l.slug, 'linked_at', x.linked_at, 'ended_at', x.ended_at) order by x.linked_at)
        from tenancy.identity x join tenancy.users u on u.id = x.user_id join tenancy.users l on l.id = x.linked_by where x.issuer = i.issuer), '[]'))
    from tenancy.issuer i join tenancy.users d on d.id = i.declared_by order by i.ended_at is not null, i.declared_at;
end $$;
-- +goose StatementEnd
grant execute on function tenancy.sign_in_oidc, tenancy.issuers to ward_app, ward_reviewer;
grant execute on function tenancy.add_issuer, tenancy.end_issuer, tenancy.link_identity, tenancy.unlink_identity, tenancy.browse_issuers, tenancy.listed_issuers to ward_reviewer;
grant execute on function tenancy.replace_keys, tenancy.issuers to ward_identity;
reset role;
