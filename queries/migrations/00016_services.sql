-- Service accounts: a program signs in with a long random secret that was shown once; what it says it does is a list that rule A05 reads.

-- +goose Up
set local role ward_owner;

-- Only the SHA-256 is kept. The secret has 256 random bits, so a slow hash would add nothing but time to every job's start.
create table tenancy.service_secret (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null references tenancy.users,
  sha256     bytea not null unique check (length(sha256) = 32),
  created_at timestamptz not null default clock_timestamp(),
  created_by uuid not null references tenancy.users,
  expires_at timestamptz not null,
  ended_at   timestamptz
);
create index service_secret_user on tenancy.service_secret (user_id) where ended_at is null;

-- +goose StatementBegin
create function tenancy.service_named(named text) returns tenancy.users language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare u tenancy.users;
begin
  select * into u from tenancy.users x where (x.slug = named or x.id::text = named) and x.kind = 'service' and x.slug <> 'ward-worker';
  if u.id is null then raise exception 'no service account "%"', named using errcode = '02000', hint = 'ward service list shows them'; end if;
  return u;
end $$;
-- A reviewer who may do that wherever the account works: its secret opens all of them.
create function tenancy.reviewer_of_service(action text, service uuid) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer(action);
begin
  if not tenancy.reaches_all(who, action) and (exists (select from tenancy.membership m where m.user_id = service and m.terminated_at is null and not tenancy.reaches(who, m.tenant_id, action))
      or not exists (select from tenancy.membership m where m.user_id = service and m.terminated_at is null)) then
    raise exception 'this account works at clinics that you do not reach, or at none' using errcode = '42501', hint = 'an administrator of the installation does it';
  end if;
  return who;
end $$;

-- A new secret, which only this answer holds. The one before it goes on for the overlap, those before that end now: two at most are valid. No overlap:
-- the old ones are not trusted any more, so the account's sessions end too.
create function tenancy.new_service_secret(who text, days int default 90, overlap interval default '24 hours') returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare gate uuid := tenancy.reviewer('configure'); u tenancy.users := tenancy.service_named(who); by_user uuid := tenancy.reviewer_of_service('configure', u.id); secret text := 'wardsvc_' || tenancy.b64(public.gen_random_bytes(32)); s tenancy.service_secret; kept uuid; ended int := 0;
begin
  if days is null or days not between 1 and 366 then raise exception 'a secret lasts 1 to 366 days' using errcode = '22023'; end if;
  if overlap is null or overlap < interval '0' or overlap > interval '7 days' then raise exception 'the secret before it goes on for 0 to 7 days' using errcode = '22023'; end if;
  perform from tenancy.users x where x.id = u.id for no key update;  -- two at once take turns
  if (select x.disabled_at from tenancy.users x where x.id = u.id) is not null then raise exception '% is disabled', u.slug using errcode = '55000', hint = 'ward user enable comes first'; end if;
  if overlap > interval '0' then
    select x.id into kept from tenancy.service_secret x where x.user_id = u.id and x.ended_at is null and x.expires_at > clock_timestamp() order by x.created_at desc limit 1;
  end if;
  update tenancy.service_secret x set ended_at = clock_timestamp() where x.user_id = u.id and x.ended_at is null and x.id is distinct from kept;
  update tenancy.service_secret x set expires_at = least(x.expires_at, clock_timestamp() + overlap) where x.id = kept;
  if overlap = interval '0' then
    ended := tenancy.end_sessions(array(select x.session_id from tenancy.session x where x.user_id = u.id and x.revoked_at is null), 'secret replaced at once');
  end if;
  insert into tenancy.service_secret (user_id, sha256, created_by, expires_at) values (u.id, sha256(convert_to(secret, 'utf8')), by_user, clock_timestamp() + days * interval '1 day') returning * into s;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'service secret', 'user', u.id, 'secret', s.id, 'expires_at', s.expires_at, 'before', kept, 'sessions_ended', ended)::text);
  return jsonb_build_object('id', s.id, 'user', u.slug, 'secret', secret, 'expires_at', s.expires_at, 'before_until', (select x.expires_at from tenancy.service_secret x where x.id = kept), 'sessions_ended', ended);
end $$;

-- A line of the list: action, table, clinic (null: every one) and hours of the day in UTC, from inclusive, to exclusive. The newest word on the same action, table,
-- clinic and first hour holds.
create function tenancy.declare_service(who text, action text, record_table text, tenant text default null, from_hour int default 0, to_hour int default 24) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare gate uuid := tenancy.reviewer('configure'); u tenancy.users := tenancy.service_named(who); t uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'configure') end; tab text := tenancy.phi_table_named(record_table);
begin
  perform tenancy.reviewer_of('configure', t);
  if action not in ('view', 'create', 'modify', 'delete', 'export') then raise exception 'an action is view, create, modify, delete or export' using errcode = '22023'; end if;
  if from_hour is null or to_hour is null or from_hour < 0 or to_hour > 24 or from_hour >= to_hour then raise exception 'hours are 0 to 24 in UTC, the first before the last; a night is two lines' using errcode = '22023'; end if;
  insert into tenancy.service_permission as p (user_id, tenant_id, action, record_table, from_hour, to_hour) values (u.id, t, declare_service.action, tab, declare_service.from_hour, declare_service.to_hour)
  on conflict on constraint service_declared do update set to_hour = excluded.to_hour;
  perform audit.write(coalesce(t, tenancy.installation()), 'configure', 'ok', jsonb_build_object('what', 'service declare', 'user', u.id, 'action', action, 'table', tab, 'tenant', t, 'hours', from_hour || '-' || to_hour)::text);
end $$;
-- Takes the lines of an action and table off the list, at one clinic or those that say every clinic. Returns how many.
create function tenancy.undeclare_service(who text, action text, record_table text, tenant text default null) returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare gate uuid := tenancy.reviewer('configure'); u tenancy.users := tenancy.service_named(who); t uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'configure') end; tab text := tenancy.phi_table_named(record_table); n int;
begin
  perform tenancy.reviewer_of('configure', t);
  delete from tenancy.service_permission p where p.user_id = u.id and p.action = undeclare_service.action and p.record_table = tab and p.tenant_id is not distinct from t;
  get diagnostics n = row_count;
  if n = 0 then raise exception 'that is not on the list of %', u.slug using errcode = '02000', hint = 'ward service show shows it'; end if;
  perform audit.write(coalesce(t, tenancy.installation()), 'configure', 'ok', jsonb_build_object('what', 'service undeclare', 'user', u.id, 'action', action, 'table', tab, 'tenant', t, 'lines', n)::text);
  return n;
end $$;
create function tenancy.own_service(who text, owner text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare gate uuid := tenancy.reviewer('configure'); u tenancy.users := tenancy.service_named(who); o uuid := tenancy.user_named(owner);
begin
  perform tenancy.reviewer_of_service('configure', u.id);
  if not exists (select from tenancy.users x where x.id = o and x.kind = 'human' and x.disabled_at is null) then raise exception '% is disabled or a service account: a person answers for one', owner using errcode = '22023'; end if;
  update tenancy.users x set owner_id = o where x.id = u.id;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'service own', 'user', u.id, 'owner', o, 'was', u.owner_id)::text);
end $$;
create function tenancy.service_row(u tenancy.users, who uuid) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('id', u.id, 'slug', u.slug, 'name', u.name, 'owner', (select o.slug from tenancy.users o where o.id = u.owner_id), 'ownerless', tenancy.ownerless(u), 'disabled_at', u.disabled_at,
    'memberships', coalesce((select jsonb_agg(jsonb_build_object('tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at) order by m.started_at, t.slug) from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id
      where m.user_id = u.id and tenancy.reaches(who, m.tenant_id, 'browse')), '[]'),
    'declared', coalesce((select jsonb_agg(jsonb_build_object('action', p.action, 'record_table', p.record_table, 'tenant', t.slug, 'from_hour', p.from_hour, 'to_hour', p.to_hour) order by p.record_table, p.action, t.slug nulls first, p.from_hour)
      from tenancy.service_permission p left join tenancy.tenant t on t.id = p.tenant_id where p.user_id = u.id and (p.tenant_id is null or tenancy.reaches(who, p.tenant_id, 'browse'))), '[]'),
    'secrets', coalesce((select jsonb_agg(jsonb_build_object('id', s.id, 'created_at', s.created_at, 'created_by', b.slug, 'expires_at', s.expires_at) order by s.created_at)
      from tenancy.service_secret s join tenancy.users b on b.id = s.created_by where s.user_id = u.id and s.ended_at is null and s.expires_at > clock_timestamp()), '[]'))
$$;

-- The program's way in. One answer for an unknown account, a wrong, ended or expired secret, a person's name, and a clinic where it is no member; never a raise, which
-- would undo the event. Nobody guesses 256 bits, so a try that is rolled back need not be counted. secret travels as a bind parameter only.
create function tenancy.sign_in_service(who text, secret text, tenant text, audience text default 'app') returns tenancy.signed language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare u tenancy.users; r tenancy.signed;
begin
  if length(secret) > 0 and position(secret in current_query()) > 0 then
    perform audit.write_as(tenancy.installation(), null, null, null, 'sign_in', 'denied', '{"reason":"secret stood in the query text"}');
    r.reason := 'the secret stood in the query text, where other sessions can see it: send it as a bind parameter, and rotate it';
    return r;
  end if;
  select * into u from tenancy.users x where x.slug = who;
  if u.kind = 'service' and coalesce(audience, 'review') <> 'review'
      and exists (select from tenancy.service_secret x where x.sha256 = sha256(convert_to(coalesce(secret, ''), 'utf8')) and x.user_id = u.id and x.ended_at is null and x.expires_at > clock_timestamp()) then
    return tenancy.open_session(u, audience, tenant, null, 'secret');
  end if;
  perform audit.write_as(tenancy.installation(), u.id, null, null, 'sign_in', 'denied', '{"reason":"not accepted","method":"secret"}');
  r.reason := tenancy.not_accepted();
  return r;
end $$;
-- +goose StatementEnd
grant execute on function tenancy.sign_in_service to ward_app;
grant execute on function tenancy.new_service_secret, tenancy.declare_service, tenancy.undeclare_service, tenancy.own_service to ward_reviewer;
reset role;
