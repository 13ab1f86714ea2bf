-- The second factor: one-time codes by time (TOTP, RFC 6238), and recovery codes for who has lost the device. ward_keys owns the secrets, so that no
-- login can read them and no function but the ones here can use them.

-- +goose Up
set local role ward_owner;
alter table tenancy.setting add column second_factor text not null default 'optional' check (second_factor in ('optional', 'required'));
grant references (id) on tenancy.users to ward_keys;
grant references (session_id) on tenancy.session to ward_keys;
reset role;

set local role ward_keys;
-- At most one that is active and one that waits for its first code, for each user; an end is a mark, not a deletion.
create table tenancy.totp (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null references tenancy.users (id),
  secret     bytea not null check (length(secret) = 20),
  session_id uuid not null references tenancy.session (session_id),  -- that enrolled it
  created_at timestamptz not null default clock_timestamp(),
  active_at  timestamptz,
  ended_at   timestamptz,
  last_step  bigint not null default 0,  -- the newest step whose code was used: none works twice, and none after a later one
  forgiven   bigint not null default 0   -- the count of tries at the last success
);
create unique index totp_active on tenancy.totp (user_id) where active_at is not null and ended_at is null;
create unique index totp_pending on tenancy.totp (user_id) where active_at is null and ended_at is null;
-- 80 random bits each, so that a plain hash of one cannot be searched through.
create table tenancy.recovery_code (
  totp_id uuid not null references tenancy.totp,
  sha256  bytea not null,
  used_at timestamptz,
  primary key (totp_id, sha256)
);
-- without a policy, as the tables of keys: their owner reads them, a member of pg_read_all_data does not
alter table tenancy.totp enable row level security;
alter table tenancy.recovery_code enable row level security;

-- +goose StatementBegin
-- RFC 4648, without padding; a multiple of five bytes.
create function tenancy.base32(b bytea) returns text language sql immutable strict set search_path = pg_catalog, pg_temp as $$
  select string_agg(substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
    1 + ((get_byte(b, i * 5 / 8) * 256 + case when i * 5 / 8 + 1 < length(b) then get_byte(b, i * 5 / 8 + 1) else 0 end) >> (11 - i * 5 % 8)) % 32, 1), '' order by i)
  from generate_series(0, length(b) * 8 / 5 - 1) i
$$;

-- The six-digit code of one step (RFC 4226 5.3): dynamic truncation of HMAC-SHA-1 over the step as eight bytes.
create function tenancy.hotp(secret bytea, step bigint) returns text language plpgsql immutable strict set search_path = pg_catalog, pg_temp as $$
declare h bytea := public.hmac(int8send(step), secret, 'sha1'); at int := get_byte(h, 19) & 15;
begin
  return lpad((((get_byte(h, at) & 127) * 16777216 + get_byte(h, at + 1) * 65536 + get_byte(h, at + 2) * 256 + get_byte(h, at + 3)) % 1000000)::text, 6, '0');
end $$;

-- The step within one of now whose code this is and which has not been used, or null.
create function tenancy.totp_step(secret bytea, last_step bigint, code text) returns bigint language sql volatile set search_path = pg_catalog, pg_temp as $$
  select s from generate_series(floor(extract(epoch from clock_timestamp()) / 30)::bigint - 1, floor(extract(epoch from clock_timestamp()) / 30)::bigint + 1) s
  where s > last_step and tenancy.hotp(secret, s) = code order by s limit 1
$$;

create function tenancy.recovery_hash(code text) returns bytea language sql immutable set search_path = pg_catalog, pg_temp as
$$ select sha256(convert_to(upper(regexp_replace(code, '[^A-Za-z0-9]', '', 'g')), 'utf8')) $$;

-- Uses up a recovery code. The row lock makes the second of two wait and then find it used, and one that an end of the enrolment overtook find that.
create function tenancy.spend_recovery(who uuid, code text) returns boolean language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  update tenancy.recovery_code r set used_at = clock_timestamp() from tenancy.totp t
    where t.id = r.totp_id and t.user_id = who and t.active_at is not null and t.ended_at is null and r.sha256 = tenancy.recovery_hash(code) and r.used_at is null;
  if not found then return false; end if;
  update tenancy.totp t set forgiven = nextval(tenancy.totp_tries(t.id)) where t.user_id = who and t.active_at is not null and t.ended_at is null;
  return found;
end $$;

-- How often six digits were tried for an enrolment since the last success. A sequence, because whoever guesses inside transactions that they roll back
-- would take a row's count back too.
create function tenancy.totp_tries(totp uuid) returns regclass language sql stable set search_path = pg_catalog, pg_temp as
$$ select ('tenancy.totp_' || replace(totp::text, '-', ''))::regclass $$;

-- Uses up a code of the active enrolment: null when it held or none is enrolled, else 'needed' or 'wrong'. The update's condition is looked at again
-- after the row lock, so that of many calls with one code one succeeds, and none once the enrolment has ended. After 100 tries in a row (NIST SP 800-63B 5.2.2) only a recovery code helps,
-- or an administrator.
create function tenancy.spend_code(who uuid, code text) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t tenancy.totp; s bigint; tries bigint;
begin
  select * into t from tenancy.totp x where x.user_id = who and x.active_at is not null and x.ended_at is null;
  if not found then return null; end if;
  code := regexp_replace(coalesce(code, ''), '\s', '', 'g');
  if code = '' then return 'needed'; end if;
  if code ~ '^[0-9]{6}$' then
    tries := nextval(tenancy.totp_tries(t.id));
    if tries - t.forgiven > 100 then return 'wrong'; end if;
    s := tenancy.totp_step(t.secret, t.last_step, code);
    update tenancy.totp x set last_step = s, forgiven = tries where x.id = t.id and x.last_step < s and x.ended_at is null;
    return case when found then null else 'wrong' end;
  end if;
  return case when tenancy.spend_recovery(who, code) then null else 'wrong' end;
end $$;

-- A new secret that counts for nothing until totp_activate; an earlier one that was never confirmed ends.
create function tenancy.totp_new(who uuid, session uuid) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k bytea := public.gen_random_bytes(20);
begin
  update tenancy.totp x set ended_at = clock_timestamp() where x.user_id = who and x.active_at is null and x.ended_at is null;
  insert into tenancy.totp (user_id, secret, session_id) values (who, k, session);
  return tenancy.base32(k);
end $$;
-- Activates what this session enrolled, with its first code; gives ten recovery codes, or null when the code is wrong.
create function tenancy.totp_activate(who uuid, session uuid, code text) returns text[] language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t tenancy.totp; s bigint; c text; codes text[] := '{}';
begin
  select * into t from tenancy.totp x where x.user_id = who and x.session_id = session and x.active_at is null and x.ended_at is null for update;
  if not found then raise exception 'no enrolment of this session waits for a code: ward totp enroll' using errcode = '02000'; end if;
  s := tenancy.totp_step(t.secret, t.last_step, regexp_replace(coalesce(code, ''), '\s', '', 'g'));
  if s is null then return null; end if;
  update tenancy.totp x set ended_at = clock_timestamp() where x.user_id = who and x.active_at is not null and x.ended_at is null;
  update tenancy.totp x set active_at = clock_timestamp(), last_step = s where x.id = t.id;
  execute format('create sequence tenancy.%I', 'totp_' || replace(t.id::text, '-', ''));
  for i in 1..10 loop
    c := lower(tenancy.base32(public.gen_random_bytes(10)));
    insert into tenancy.recovery_code (totp_id, sha256) values (t.id, tenancy.recovery_hash(c));
    codes := codes || concat_ws('-', substr(c, 1, 4), substr(c, 5, 4), substr(c, 9, 4), substr(c, 13, 4));
  end loop;
  return codes;
end $$;
create function tenancy.totp_end(who uuid) returns boolean language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare active boolean := exists (select from tenancy.totp x where x.user_id = who and x.active_at is not null and x.ended_at is null);
begin
  update tenancy.totp x set ended_at = clock_timestamp() where x.user_id = who and x.ended_at is null;
  return active;
end $$;
-- The session that enrolled a user's active second factor; null without one.
create function tenancy.totp_session(who uuid) returns uuid language sql stable security definer set search_path = pg_catalog, pg_temp as
$$ select x.session_id from tenancy.totp x where x.user_id = who and x.active_at is not null and x.ended_at is null $$;
-- Has a second factor that counted for this user ended since?
create function tenancy.totp_ended_since(who uuid, since timestamptz) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as
$$ select exists (select from tenancy.totp x where x.user_id = who and x.active_at is not null and x.ended_at > since) $$;
-- +goose StatementEnd
grant execute on function tenancy.base32, tenancy.spend_code, tenancy.spend_recovery, tenancy.totp_new, tenancy.totp_activate, tenancy.totp_end, tenancy.totp_session, tenancy.totp_ended_since to ward_owner;
reset role;

set local role ward_owner;
-- +goose StatementBegin
-- Whether the second factor of somebody whose password or identity token held is satisfied: null (it is, or none is demanded), or 'needed', or 'wrong'. Asked with
-- code null first, which tells whether one is demanded and writes nothing. An old snapshot would not see an enrolment, hence READ COMMITTED only. An enrolment
-- that begins meanwhile is no gap: the session of a sign-in that was not asked for a code has shown none, whenever it was opened.
create function tenancy.second_factor(who uuid, audience text, code text) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then raise exception 'signing in works in READ COMMITTED only' using errcode = '25001'; end if;
  return tenancy.spend_code(who, code);
end $$;

-- Whether a session has shown a second factor that still counts: it enrolled the one that is active, or was opened with one (ward's or the provider's) and none
-- of this person's was replaced or removed since.
create function tenancy.factor_shown(session uuid) returns boolean language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return exists (select from tenancy.session s where s.session_id = session
    and (s.session_id = tenancy.totp_session(s.user_id) or s.second_factor and not tenancy.totp_ended_since(s.user_id, s.created_at)));
end $$;
-- Whether a reviewer's session may do nothing but enrol.
create function tenancy.must_enroll(session uuid) returns boolean language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return (select x.second_factor from tenancy.setting x where x.one) = 'required' and not tenancy.factor_shown(session);
end $$;

-- Begins an enrolment: the secret, for the authenticator. Whoever has one already replaces it with a recovery code: six digits could be guessed here.
create function tenancy.totp_enroll(recovery text default null) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare c jsonb := tenancy.claims(); who uuid := (c->>'sub')::uuid; secret text;
begin
  if c is null then raise exception 'nobody is signed in: ward login' using errcode = '28000'; end if;
  if c->>'kind' <> 'human' then raise exception 'a service account has no second factor' using errcode = '42501'; end if;
  if tenancy.totp_session(who) is not null and not tenancy.spend_recovery(who, coalesce(recovery, '')) then
    raise exception 'a second factor is enrolled already' using errcode = '55000', hint = 'replace it with --recovery and one of your recovery codes, or ask an administrator for ward totp remove';
  end if;
  secret := tenancy.totp_new(who, (c->>'sid')::uuid);
  perform audit.write(coalesce((c->>'tid')::uuid, tenancy.installation()), 'configure', 'ok', jsonb_build_object('what', 'totp enroll', 'replaces', recovery is not null)::text);
  return jsonb_build_object('secret', secret, 'uri', format('otpauth://totp/ward:%s?secret=%s&issuer=ward&algorithm=SHA1&digits=6&period=30', (select u.slug from tenancy.users u where u.id = who), secret));
end $$;
-- Confirms it with the first code, which makes it count; returns the recovery codes, once.
create function tenancy.totp_confirm(code text) returns text[] language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare c jsonb := tenancy.claims(); who uuid := (c->>'sub')::uuid; codes text[];
begin
  if c is null then raise exception 'nobody is signed in: ward login' using errcode = '28000'; end if;
  codes := tenancy.totp_activate(who, (c->>'sid')::uuid, code);
  if codes is null then raise exception 'this is not the code of this minute: check the clock of the device' using errcode = '22023'; end if;
  perform audit.write(coalesce((c->>'tid')::uuid, tenancy.installation()), 'configure', 'ok', '{"what":"totp confirm"}');
  return codes;
end $$;
create function tenancy.totp_remove(who text, reason text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare by_user uuid := tenancy.reviewer_of('configure', null); u uuid := tenancy.user_named(who);
begin
  if u = by_user then raise exception 'nobody removes their own second factor: another administrator does, or replace it with ward totp enroll --recovery' using errcode = 'WARD2'; end if;
  if not tenancy.totp_end(u) then raise exception '% has no second factor', who using errcode = '02000'; end if;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'totp remove', 'user', u, 'reason', review.need_reason(reason))::text);
  return u;
end $$;
create function tenancy.require_second_factor(mode text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform tenancy.reviewer_of('configure', null);
  if mode not in ('optional', 'required') then raise exception 'a second factor is optional or required, not "%"', mode using errcode = '22023'; end if;
  if mode = 'required' and not tenancy.factor_shown((tenancy.claims()->>'sid')::uuid) then
    raise exception 'this would lock you out: enrol yourself first' using errcode = '55000', hint = 'ward totp enroll';
  end if;
  update tenancy.setting set second_factor = mode;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'second factor', 'mode', mode)::text);
end $$;
-- +goose StatementEnd
grant execute on function tenancy.totp_enroll, tenancy.totp_confirm to ward_app, ward_reviewer;
grant execute on function tenancy.totp_remove, tenancy.require_second_factor to ward_reviewer;
reset role;
