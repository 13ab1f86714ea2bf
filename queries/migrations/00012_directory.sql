-- The directory as administrators and reviewers use it: first installation, tenants, users, memberships, grants; lists by write-ahead look.

-- +goose Up
set local role ward_owner;

-- +goose StatementBegin
-- Makes an empty database an installation of one region with its first administrator. Refused once anybody exists.
create function tenancy.init(region text, slug text, name text, password text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid; u uuid;
begin
  perform pg_advisory_xact_lock(hashtext('ward init'));
  if exists (select from tenancy.users) then raise exception 'this database is initialised already' using errcode = '55000', hint = 'ward login, then ward user add'; end if;
  perform tenancy.new_password(password);
  insert into tenancy.region (name) values (init.region);
  insert into tenancy.instance (region) values (init.region);
  insert into tenancy.tenant (slug, name, region, kind) values ('installation', 'Installation', init.region, 'installation') returning id into t;
  perform tenancy.rotate_key();
  insert into tenancy.users (slug, name, kind) values ('ward-worker', 'ward worker', 'service');
  insert into tenancy.users (slug, name, kind, password_hash) values (init.slug, init.name, 'human', public.crypt(password, public.gen_salt('bf', 10))) returning id into u;
  insert into tenancy.reviewer_grant (user_id, role, reason) values (u, 'administrator', 'first administrator');
  perform audit.write_as(t, u, null, null, 'configure', 'ok', jsonb_build_object('what', 'init', 'region', init.region, 'administrator', u)::text);
  return u;
end $$;
create function tenancy.new_password(password text) returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if length(coalesce(password, '')) < 12 then raise exception 'a password has at least 12 characters' using errcode = '22023'; end if;
  if octet_length(password) > 72 then raise exception 'a password has at most 72 bytes' using errcode = '22023'; end if;
  if position(password in current_query()) > 0 then raise exception 'the password stood in the query text: send it as a bind parameter' using errcode = '22023'; end if;
  return public.crypt(password, public.gen_salt('bf', 10));
end $$;

create function tenancy.add_tenant(slug text, name text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid;
begin
  perform tenancy.reviewer('configure');
  if exists (select from tenancy.tenant x where x.slug = add_tenant.slug) then raise exception 'there is a tenant "%" already', slug using errcode = '23505'; end if;
  insert into tenancy.tenant (slug, name, region) values (add_tenant.slug, add_tenant.name, tenancy.region_here()) returning id into t;
  perform audit.write(t, 'configure', 'ok', jsonb_build_object('what', 'tenant add', 'slug', slug)::text);
  return t;
end $$;
create function tenancy.add_user(slug text, name text, kind text default 'human', owner text default null, password text default null) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare u uuid;
begin
  perform tenancy.reviewer('configure');
  if exists (select from tenancy.users x where x.slug = add_user.slug) then raise exception 'there is a user "%" already', slug using errcode = '23505', hint = 'one user is one person for life: a second clinic is a second membership (ward member add)'; end if;
  if kind = 'service' and owner is null then raise exception 'a service account needs an owner' using errcode = '22023'; end if;
  insert into tenancy.users (slug, name, kind, owner_id, password_hash)
  values (add_user.slug, add_user.name, add_user.kind, case when owner is not null then tenancy.user_named(owner) end, case when password is not null then tenancy.new_password(password) end) returning id into u;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'user add', 'user', u, 'kind', kind)::text);
  return u;
end $$;
create function tenancy.add_member(tenant text, who text, role text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare m uuid; t uuid := tenancy.tenant_named(tenant, 'configure'); u uuid := tenancy.user_named(who);
begin
  if not exists (select from tenancy.role r where r.name = add_member.role) then
    raise exception 'no role "%": one of %', role, (select string_agg(r.name, ', ' order by r.name) from tenancy.role r) using errcode = '22023';
  end if;
  if exists (select from tenancy.membership x where x.tenant_id = t and x.user_id = u and x.role = add_member.role and x.terminated_at is null) then
    raise exception '% is % at % already', who, role, tenant using errcode = '23505';
  end if;
  insert into tenancy.membership (tenant_id, user_id, role) values (t, u, add_member.role) returning id into m;
  perform audit.write(t, 'configure', 'ok', jsonb_build_object('what', 'member add', 'user', u, 'role', role, 'membership', m)::text);
  return m;
end $$;
create function tenancy.add_grant(who text, role text, tenant text, reason text, ticket text default null, hours numeric default null) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare g uuid; t uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'grant') end; by_user uuid := tenancy.reviewer('grant', t); u uuid := tenancy.user_named(who); now_at timestamptz := clock_timestamp();
begin
  if u = by_user then raise exception 'nobody grants to themself: another administrator does' using errcode = 'WARD2'; end if;
  if role not in (select distinct a.role from tenancy.reviewer_action a) then raise exception 'no reviewer role "%": administrator, compliance_officer, auditor or on_call_engineer', role using errcode = '22023'; end if;
  if role = 'on_call_engineer' and (t is null or coalesce(ticket, '') = '' or hours is null or hours > 4 or hours <= 0) then
    raise exception 'an on-call grant names one clinic and a ticket and lasts at most 4 hours' using errcode = '22023';
  end if;
  if hours <= 0 or hours > 87600 then raise exception 'a grant lasts more than 0 and at most 87,600 hours' using errcode = '22023'; end if;
  insert into tenancy.reviewer_grant (user_id, role, tenant_id, granted_by, reason, ticket, starts_at, expires_at)
  values (u, add_grant.role, t, by_user, review.need_reason(reason), ticket, now_at, case when hours is not null then now_at + hours * interval '1 hour' end) returning id into g;
  perform audit.write(coalesce(t, tenancy.installation()), 'grant', 'ok', jsonb_build_object('grant', g, 'user', u, 'role', role, 'tenant', t, 'reason', reason, 'ticket', ticket, 'hours', hours)::text);
  return g;
end $$;
create function tenancy.end_grant(grant_id text, reason text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare g tenancy.reviewer_grant;
begin
  perform tenancy.reviewer('grant');
  if end_grant.grant_id !~ '^[0-9a-fA-F-]{4,36}$' or (select count(*) from tenancy.reviewer_grant x where starts_with(x.id::text, lower(end_grant.grant_id)) and x.ended_at is null) <> 1 then
    raise exception 'no one grant in force begins with "%"', grant_id using errcode = '02000', hint = 'ward grant list shows them';
  end if;
  update tenancy.reviewer_grant x set ended_at = clock_timestamp() where starts_with(x.id::text, lower(end_grant.grant_id)) and x.ended_at is null returning * into g;
  perform audit.write(coalesce(g.tenant_id, tenancy.installation()), 'revoke', 'ok', jsonb_build_object('grant', g.id, 'user', g.user_id, 'reason', review.need_reason(reason))::text);
  return g.id;
end $$;

-- One membership by id (or its first characters) within reach.
create function tenancy.membership_named(membership text, action text) returns tenancy.membership language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare m tenancy.membership; who uuid := tenancy.reviewer(action); n int;
begin
  if membership !~ '^[0-9a-fA-F-]{4,36}$' then raise exception '"%" is not a membership id', membership using errcode = '22023', hint = 'ward member list shows them'; end if;
  select count(*) into n from tenancy.membership x where starts_with(x.id::text, lower(membership)) and tenancy.reaches(who, x.tenant_id, action);
  if n <> 1 then raise exception '% memberships within your reach begin with "%"', n, membership using errcode = '02000', hint = 'ward member list shows them'; end if;
  select * into m from tenancy.membership x where starts_with(x.id::text, lower(membership)) and tenancy.reaches(who, x.tenant_id, action);
  return m;
end $$;
-- Ends a membership: its live sessions are revoked, and every transaction that begins under it from now on is refused.
-- typed is the start of the person's user_id, at least six characters, as a check that the right person is meant.
create function tenancy.terminate(membership text, typed text, reason text, ended_on date default null) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare m tenancy.membership := tenancy.membership_named(membership, 'terminate'); who uuid := tenancy.user_id(); n int; e bigint;
begin
  if m.terminated_at is not null then raise exception 'this membership was terminated at % UTC already', to_char(m.terminated_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') using errcode = '55000'; end if;
  if m.user_id = who then raise exception 'nobody terminates their own membership' using errcode = 'WARD2'; end if;
  if length(coalesce(typed, '')) < 6 or not starts_with(m.user_id::text, lower(typed)) then raise exception 'what was typed is not the start of this person''s user id (six characters or more)' using errcode = '22023'; end if;
  if ended_on > (clock_timestamp() at time zone 'UTC')::date + 1 then raise exception 'HR''s end date lies in the future: terminate on that day' using errcode = '22023'; end if;
  e := audit.write(m.tenant_id, 'terminate', 'ok', jsonb_build_object('membership', m.id, 'user', m.user_id, 'role', m.role, 'reason', review.need_reason(reason), 'ended_on', ended_on)::text);
  update tenancy.membership x set terminated_at = clock_timestamp(), terminated_by = who, reason = terminate.reason, ended_on = coalesce(terminate.ended_on, x.ended_on) where x.id = m.id;
  update tenancy.session s set revoked_at = clock_timestamp(), revoke_reason = 'membership terminated' where s.membership_id = m.id and s.revoked_at is null;
  get diagnostics n = row_count;
  return jsonb_build_object('membership', m.id, 'user_id', m.user_id, 'sessions_ended', n, 'event_id', e);
end $$;

-- A list: recorded and committed by tenancy.browse, then read by tenancy.listing. what: tenants, users, members (of clinic arg, or of all within reach), member (one, with what
-- terminating it would do), grants, rules, runs (of rule arg, or of all), archive, verifications, sessions (live ones, of user arg or of all within reach), keys, applications.
create function tenancy.browse(ask uuid, what text, arg text default null) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('browse'); t uuid; m tenancy.membership; f jsonb := jsonb_strip_nulls(jsonb_build_object('of', arg)); shown jsonb;
begin
  if what not in ('tenants', 'users', 'members', 'member', 'grants', 'rules', 'runs', 'archive', 'verifications', 'sessions', 'keys', 'applications') then raise exception 'no list "%"', what using errcode = '22023'; end if;
  if what = 'member' then
    m := tenancy.membership_named(arg, 'browse');
    perform audit.look(ask, 'list:member', 'browse', null, f, array[m.id], m.tenant_id);
  elsif what = 'members' and arg is not null then
    t := tenancy.tenant_named(arg, 'browse');
    perform audit.look(ask, 'list:members', 'browse', null, f, array[t], t);
  elsif what = 'sessions' then
    perform tenancy.browse_sessions(ask, arg);
  else
    if what = 'keys' then perform tenancy.reviewer('configure'); end if;
    if what = 'members' then select jsonb_object_agg(x.id, '[]'::jsonb) into shown from tenancy.tenant x where x.kind = 'clinic' and tenancy.reaches(who, x.id, 'browse'); end if;
    perform audit.look(ask, 'list:' || what, 'browse', shown, f, null);
  end if;
end $$;

create function tenancy.member_row(m tenancy.membership) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('id', m.id, 'tenant', t.slug, 'tenant_name', t.name, 'region', t.region, 'user_id', u.id, 'user', u.slug, 'name', u.name, 'kind', u.kind, 'role', m.role, 'started_at', m.started_at,
    'ended_on', m.ended_on, 'terminated_at', m.terminated_at, 'terminated_by', b.slug, 'reason', m.reason,
    'live_sessions', (select count(*) from tenancy.session s where s.membership_id = m.id and s.revoked_at is null and s.expires_at > clock_timestamp()))
  from tenancy.tenant t, tenancy.users u left join tenancy.users b on b.id = m.terminated_by where t.id = m.tenant_id and u.id = m.user_id
$$;
create function tenancy.listing(what text) returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('list:' || what); who uuid := tenancy.user_id();
begin
  case what
  when 'tenants' then return query select jsonb_build_object('id', t.id, 'slug', t.slug, 'name', t.name, 'region', t.region, 'kind', t.kind, 'created_at', t.created_at,
      'members', (select count(*) from tenancy.membership m where m.tenant_id = t.id and m.terminated_at is null),
      'open_anomalies', (select count(*) from review.anomaly x where x.tenant_id = t.id and x.state not in ('closed', 'merged')))
    from tenancy.tenant t where tenancy.reaches(who, t.id, 'browse') order by t.kind, t.slug;
  when 'users' then return query select jsonb_build_object('id', u.id, 'slug', u.slug, 'name', u.name, 'kind', u.kind, 'owner', o.slug, 'created_at', u.created_at, 'disabled_at', u.disabled_at,
      'memberships', coalesce((select jsonb_agg(jsonb_build_object('tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at) order by m.started_at) from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id where m.user_id = u.id), '[]'))
    from tenancy.users u left join tenancy.users o on o.id = u.owner_id
    where exists (select from tenancy.reviewer_grant g where g.user_id = who and g.tenant_id is null and g.ended_at is null and (g.expires_at is null or g.expires_at > clock_timestamp()))
      or exists (select from tenancy.membership m where m.user_id = u.id and tenancy.reaches(who, m.tenant_id, 'browse')) order by u.slug;
  when 'members' then return query select tenancy.member_row(m) from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id join tenancy.users u on u.id = m.user_id
    where (a.tenant_id is null or m.tenant_id = a.tenant_id) and tenancy.reaches(who, m.tenant_id, 'browse') order by m.terminated_at is not null, t.slug, u.slug;
  when 'member' then return query select tenancy.member_row(m) || jsonb_build_object(
      'upcoming_appointments', (select count(*) from review.relationship r where r.user_id = m.user_id and r.tenant_id = m.tenant_id and r.kind = 'appointment' and r.from_at > clock_timestamp() and r.void_at is null),
      'open_anomalies', (select count(*) from review.anomaly x where x.actor_id = m.user_id and x.tenant_id = m.tenant_id and x.state not in ('closed', 'merged')),
      'other_memberships', coalesce((select jsonb_agg(jsonb_build_object('tenant', t.slug, 'tenant_name', t.name, 'role', o.role)) from tenancy.membership o join tenancy.tenant t on t.id = o.tenant_id
        where o.user_id = m.user_id and o.id <> m.id and o.terminated_at is null), '[]'))
    from tenancy.membership m where m.id = a.ids[1];
  when 'grants' then return query select jsonb_build_object('id', g.id, 'user', u.slug, 'name', u.name, 'role', g.role, 'tenant', t.slug, 'granted_by', b.slug, 'reason', g.reason, 'ticket', g.ticket,
      'starts_at', g.starts_at, 'expires_at', g.expires_at, 'ended_at', g.ended_at)
    from tenancy.reviewer_grant g join tenancy.users u on u.id = g.user_id left join tenancy.users b on b.id = g.granted_by left join tenancy.tenant t on t.id = g.tenant_id order by g.starts_at desc;
  when 'rules' then return query select jsonb_build_object('id', r.id, 'version', r.version, 'tier', r.tier, 'severity', r.severity, 'title', r.title, 'enabled', r.missing = '{}', 'missing', r.missing,
      'content_hash', r.content_hash, 'front_matter', r.front_matter, 'last_run_at', r.last_run_at, 'cursor_batch', r.cursor_batch,
      'open', (select count(*) from review.anomaly x where x.rule_id = r.id and x.state not in ('closed', 'merged'))) from review.rule r order by r.id;
  when 'runs' then return query select jsonb_build_object('run_id', x.run_id, 'rule_id', x.rule_id, 'rule_version', x.rule_version, 'from_batch', x.from_batch, 'to_batch', x.to_batch, 'matched', x.matched,
      'created', x.created, 'merged', x.merged, 'started_at', x.started_at, 'finished_at', x.finished_at, 'status', x.status, 'error', x.error, 'requested_by', u.slug, 'request_event', x.event_id)
    from review.run x left join tenancy.users u on u.id = x.requested_by where a.payload->>'of' is null or starts_with(x.rule_id, a.payload->>'of') order by x.finished_at desc limit 500;
  when 'verifications' then return query select jsonb_build_object('id', v.id, 'by', u.slug, 'started_at', v.started_at, 'finished_at', v.finished_at, 'region', v.region, 'months', v.months, 'verdict', v.verdict, 'head_size', v.head_size, 'breaks', v.breaks)
    from audit.verification v join tenancy.users u on u.id = v.user_id order by v.started_at desc limit 500;
  when 'sessions', 'keys', 'applications' then return query select * from tenancy.sign_in_listing(what, a.ids);
  else return;
  end case;
end $$;

-- A verification by a reviewer: begun and committed before the store is read, its verdict recorded after.
create function audit.verify_begin(verification uuid, store text, months text[]) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('verify');
begin
  perform audit.write(tenancy.installation(), 'verify', 'ok', jsonb_build_object('verification', verification, 'store', store, 'months', months)::text, null, null, null, 'audit');
  insert into audit.verification (id, user_id, region, months) values (verification, who, tenancy.region_here(), coalesce(months, '{}'));
end $$;
create function audit.verify_end(verification uuid, verdict text, head_size bigint, breaks int) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('verify');
begin
  update audit.verification v set finished_at = clock_timestamp(), verdict = verify_end.verdict, head_size = verify_end.head_size, breaks = verify_end.breaks where v.id = verification and v.user_id = who and v.finished_at is null;
  if not found then raise exception 'no verification of yours is open under this id' using errcode = '02000'; end if;
  perform audit.write(tenancy.installation(), 'verify', 'ok', jsonb_build_object('verification', verification, 'verdict', verdict, 'head', head_size, 'breaks', breaks)::text, null, null, null, 'audit');
end $$;
-- +goose StatementEnd
grant execute on function tenancy.init to ward_migrate;
grant execute on function tenancy.add_tenant, tenancy.add_user, tenancy.add_member, tenancy.add_grant, tenancy.end_grant, tenancy.terminate, tenancy.browse, tenancy.listing,
  audit.verify_begin, audit.verify_end to ward_reviewer;
reset role;
