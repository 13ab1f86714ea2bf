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

-- A reviewer whose grant reaches every clinic. tenancy.reviewer(action) alone asks for any reach at all, which is enough for what is then cut to it only.
create function tenancy.reaches_all(who uuid, action text) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from tenancy.reviewer_grant g join tenancy.reviewer_action a on a.role = g.role and a.action = reaches_all.action
    where g.user_id = who and g.tenant_id is null and g.ended_at is null and g.starts_at <= clock_timestamp() and (g.expires_at is null or g.expires_at > clock_timestamp()))
$$;
-- tenant null: every clinic.
create function tenancy.reviewer_of(action text, tenant uuid) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer(action, tenant);
begin
  if tenant is null and not tenancy.reaches_all(who, action) then
    raise exception 'your grants reach single clinics: to % for every clinic needs one that reaches them all', action using errcode = '42501', hint = 'name a clinic, or ask an administrator of the installation';
  end if;
  return who;
end $$;
-- Whoever changes who administers takes turns, and comes before the question who may: of two who end each other, the second one is nobody any more.
create function tenancy.lock_administrators() returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as
$$ select pg_advisory_xact_lock(hashtext('ward administrators')) $$;
-- One administrator of every clinic remains whose grant has no end. With that, every clinic has one as well.
create function tenancy.keep_administrator() returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from tenancy.reviewer_grant g join tenancy.users u on u.id = g.user_id where g.role = 'administrator' and g.tenant_id is null and g.ended_at is null and g.expires_at is null and u.disabled_at is null) then
    raise exception 'this would leave the installation without an administrator' using errcode = 'WARD2', hint = 'ward grant add USER administrator comes first, without --hours';
  end if;
end $$;

create function tenancy.add_tenant(slug text, name text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid;
begin
  perform tenancy.reviewer_of('configure', null);
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
  if kind = 'service' and password is not null then raise exception 'a service account has no password' using errcode = '22023', hint = 'ward service secret gives it a secret'; end if;
  insert into tenancy.users (slug, name, kind, owner_id, password_hash)
  values (add_user.slug, add_user.name, add_user.kind, case when owner is not null then tenancy.user_named(owner) end, case when password is not null then tenancy.new_password(password) end) returning id into u;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'user add', 'user', u, 'kind', kind)::text);
  return u;
end $$;
-- patient: for the role patient, whose records the portal identity reaches.
create function tenancy.add_member(tenant text, who text, role text, patient uuid default null) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid := tenancy.tenant_named(tenant, 'configure'); u uuid := tenancy.user_named(who);
begin
  if exists (select from tenancy.users x where x.id = u and x.disabled_at is not null) then raise exception '% is disabled', who using errcode = '55000', hint = 'ward user enable comes first'; end if;
  if exists (select from tenancy.membership x where x.tenant_id = t and x.user_id = u and x.role = add_member.role and x.patient_id is not distinct from patient and x.terminated_at is null) then
    raise exception '% is % at % already', who, role, tenant using errcode = '23505';
  end if;
  return tenancy.new_member(t, u, role, patient, null);
end $$;
create function tenancy.new_member(t uuid, u uuid, role text, patient uuid, instead_of uuid) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare m uuid;
begin
  if not exists (select from tenancy.role r where r.name = new_member.role) then
    raise exception 'no role "%": one of %', role, (select string_agg(r.name, ', ' order by r.name) from tenancy.role r) using errcode = '22023';
  end if;
  if (role = 'patient') <> (patient is not null) then raise exception 'the role patient names whose records it reaches, and no other role does' using errcode = '22023', hint = '--patient ID'; end if;
  if role = (case (select x.kind from tenancy.users x where x.id = u) when 'service' then 'patient' else 'service' end) then
    raise exception 'a person has not the role service, nor a service account the role patient' using errcode = '22023';
  end if;
  -- by ids alone; a person''s row is one whose subject is itself
  if patient is not null and not exists (select from tenancy.record r join tenancy.phi_table p on p.record_table = r.record_table and p.subject_column = 'id'
      where r.record_id = patient and r.tenant_id = t and r.deleted_at is null) then
    raise exception 'this clinic has no patient with the id %', patient using errcode = '02000';
  end if;
  insert into tenancy.membership (tenant_id, user_id, role, patient_id) values (t, u, new_member.role, patient) returning id into m;
  perform audit.write(t, 'configure', 'ok', jsonb_strip_nulls(jsonb_build_object('what', 'member add', 'user', u, 'role', role, 'membership', m, 'instead_of', instead_of))::text, null, null, patient);
  return m;
end $$;
create function tenancy.add_grant(who text, role text, tenant text, reason text, ticket text default null, hours numeric default null) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare g uuid; t uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'grant') end; by_user uuid := tenancy.reviewer_of('grant', t); u uuid := tenancy.user_named(who); now_at timestamptz := clock_timestamp();
begin
  if u = by_user then raise exception 'nobody grants to themself: another administrator does' using errcode = 'WARD2'; end if;
  if role not in (select distinct a.role from tenancy.reviewer_action a) then raise exception 'no reviewer role "%": administrator, compliance_officer, auditor or on_call_engineer', role using errcode = '22023'; end if;
  if not exists (select from tenancy.users x where x.id = u and x.kind = 'human' and x.disabled_at is null) then raise exception '% is disabled or a service account: neither reviews', who using errcode = '55000'; end if;
  if role = 'on_call_engineer' then perform tenancy.one_on_call(u); end if;
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
declare g tenancy.reviewer_grant; who uuid; n int;
begin
  perform tenancy.lock_administrators();
  who := tenancy.reviewer('grant');
  select count(*) into n from tenancy.reviewer_grant x where end_grant.grant_id ~ '^[0-9a-fA-F-]{4,36}$' and starts_with(x.id::text, lower(end_grant.grant_id)) and x.ended_at is null
    and case when x.tenant_id is null then tenancy.reaches_all(who, 'grant') else tenancy.reaches(who, x.tenant_id, 'grant') end;
  if n <> 1 then raise exception 'no one grant in force within your reach begins with "%"', grant_id using errcode = '02000', hint = 'ward grant list shows them'; end if;
  select * into g from tenancy.reviewer_grant x where starts_with(x.id::text, lower(end_grant.grant_id)) and x.ended_at is null
    and case when x.tenant_id is null then tenancy.reaches_all(who, 'grant') else tenancy.reaches(who, x.tenant_id, 'grant') end;
  if g.user_id = who then raise exception 'nobody ends their own grant: another administrator does' using errcode = 'WARD2'; end if;
  perform tenancy.close_grant(g, reason);
  perform tenancy.keep_administrator();
  return g.id;
end $$;
create function tenancy.close_grant(g tenancy.reviewer_grant, reason text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  update tenancy.reviewer_grant x set ended_at = clock_timestamp() where x.id = g.id and x.ended_at is null;
  perform audit.write(coalesce(g.tenant_id, tenancy.installation()), 'revoke', 'ok', jsonb_build_object('grant', g.id, 'user', g.user_id, 'role', g.role, 'reason', review.need_reason(reason))::text);
end $$;

-- On call. An administrator says who may; the person takes it when the pager rings, for one clinic and four hours at most, and rule S03 shows it to a compliance officer.
create function tenancy.one_on_call(u uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare g record;
begin
  perform pg_advisory_xact_lock(hashtextextended('ward on call|' || u, 0));  -- two at once take turns; not the person's row, which whoever ends them needs
  select t.slug, x.expires_at into g from tenancy.reviewer_grant x join tenancy.tenant t on t.id = x.tenant_id
  where x.user_id = u and x.role = 'on_call_engineer' and x.ended_at is null and x.expires_at > clock_timestamp();
  if found then
    raise exception 'one on-call grant at a time: there is one for % until % UTC', g.slug, to_char(g.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') using errcode = '55000', hint = 'ward oncall end';
  end if;
end $$;
create function tenancy.add_on_call(who text, tenant text, reason text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'grant') end; by_user uuid := tenancy.reviewer_of('grant', t); u uuid := tenancy.user_named(who); o uuid;
begin
  if u = by_user then raise exception 'nobody puts themself on call: another administrator does' using errcode = 'WARD2'; end if;
  if not exists (select from tenancy.users x where x.id = u and x.kind = 'human' and x.disabled_at is null) then raise exception '% is disabled or a service account: neither is on call', who using errcode = '55000'; end if;
  if exists (select from tenancy.on_call x where x.user_id = u and x.tenant_id is not distinct from t and x.removed_at is null) then raise exception '% is on that roster already', who using errcode = '23505'; end if;
  insert into tenancy.on_call (user_id, tenant_id, added_by, reason) values (u, t, by_user, review.need_reason(reason)) returning id into o;
  perform audit.write(coalesce(t, tenancy.installation()), 'configure', 'ok', jsonb_build_object('what', 'on call add', 'user', u, 'tenant', t, 'reason', reason)::text);
  return o;
end $$;
-- Takes somebody off the roster; a grant that they took under it ends too.
create function tenancy.remove_on_call(who text, tenant text, reason text) returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid := case when tenant is not null then tenancy.tenant_named(tenant, 'grant') end; by_user uuid := tenancy.reviewer_of('grant', t); u uuid := tenancy.user_named(who); n int := 0; g tenancy.reviewer_grant;
begin
  update tenancy.on_call x set removed_at = clock_timestamp() where x.user_id = u and x.tenant_id is not distinct from t and x.removed_at is null;
  if not found then raise exception '% is not on that roster', who using errcode = '02000', hint = 'ward oncall list shows it'; end if;
  perform audit.write(coalesce(t, tenancy.installation()), 'configure', 'ok', jsonb_build_object('what', 'on call remove', 'user', u, 'tenant', t, 'reason', review.need_reason(reason))::text);
  for g in select * from tenancy.reviewer_grant x where x.user_id = u and x.granted_by = u and x.role = 'on_call_engineer' and x.ended_at is null and x.expires_at > clock_timestamp() and (t is null or x.tenant_id = t) loop
    perform tenancy.close_grant(g, reason);
    n := n + 1;
  end loop;
  return n;
end $$;
-- The eligible person's own act: there is no reviewer's reach to ask for yet.
create function tenancy.take_on_call(tenant text, reason text, ticket text, hours numeric default 4) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare c jsonb := tenancy.claims(); who uuid := (c->>'sub')::uuid; t tenancy.tenant; g tenancy.reviewer_grant; now_at timestamptz; e bigint;
begin
  perform tenancy.reviewing();
  perform tenancy.one_on_call(who);
  -- the same answer for a clinic that there is not and one that this person is not on call for
  select x.* into t from tenancy.tenant x where (x.slug = take_on_call.tenant or x.id::text = take_on_call.tenant) and x.kind = 'clinic'
    and exists (select from tenancy.on_call o where o.user_id = who and o.removed_at is null and (o.tenant_id is null or o.tenant_id = x.id));
  if t.id is null then raise exception 'you are not on call for a clinic "%"', tenant using errcode = '42501', hint = 'ward whoami shows what you are on call for; an administrator changes it'; end if;
  if btrim(coalesce(ticket, ''), E' \t\r\n') = '' then raise exception 'an on-call grant names its ticket' using errcode = '22023'; end if;
  if hours is null or hours <= 0 or hours > 4 then raise exception 'an on-call grant lasts more than 0 and at most 4 hours' using errcode = '22023'; end if;
  now_at := clock_timestamp();
  insert into tenancy.reviewer_grant (user_id, role, tenant_id, granted_by, reason, ticket, starts_at, expires_at)
  values (who, 'on_call_engineer', t.id, who, review.need_reason(reason), ticket, now_at, now_at + hours * interval '1 hour') returning * into g;
  e := audit.write(t.id, 'grant', 'ok', jsonb_build_object('grant', g.id, 'user', who, 'role', g.role, 'tenant', t.id, 'reason', reason, 'ticket', ticket, 'hours', hours)::text);
  return jsonb_build_object('grant', g.id, 'tenant', t.slug, 'expires_at', g.expires_at, 'event_id', e);
end $$;
create function tenancy.end_on_call(reason text default 'done') returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare c jsonb := tenancy.claims(); g tenancy.reviewer_grant; n int := 0;
begin
  perform tenancy.reviewing();
  for g in select * from tenancy.reviewer_grant x where x.user_id = (c->>'sub')::uuid and x.role = 'on_call_engineer' and x.ended_at is null and x.expires_at > clock_timestamp() loop
    perform tenancy.close_grant(g, reason);
    n := n + 1;
  end loop;
  if n = 0 then raise exception 'you hold no on-call grant' using errcode = '02000', hint = 'ward whoami shows your grants'; end if;
  return n;
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
declare m tenancy.membership := tenancy.membership_named(membership, 'terminate'); who uuid := tenancy.user_id();
begin
  if m.terminated_at is not null then raise exception 'this membership was terminated at % UTC already', to_char(m.terminated_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') using errcode = '55000'; end if;
  if m.user_id = who then raise exception 'nobody terminates their own membership' using errcode = 'WARD2'; end if;
  if length(coalesce(typed, '')) < 6 or not starts_with(m.user_id::text, lower(typed)) then raise exception 'what was typed is not the start of this person''s user id (six characters or more)' using errcode = '22023'; end if;
  if ended_on > (clock_timestamp() at time zone 'UTC')::date + 1 then raise exception 'HR''s end date lies in the future: terminate on that day' using errcode = '22023'; end if;
  return tenancy.close_membership(m, reason, ended_on);
end $$;
create function tenancy.close_membership(m tenancy.membership, reason text, ended_on date) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare n int; e bigint;
begin
  e := audit.write(m.tenant_id, 'terminate', 'ok', jsonb_build_object('membership', m.id, 'user', m.user_id, 'role', m.role, 'reason', review.need_reason(reason), 'ended_on', ended_on)::text);
  update tenancy.membership x set terminated_at = clock_timestamp(), terminated_by = tenancy.user_id(), reason = close_membership.reason, ended_on = coalesce(close_membership.ended_on, x.ended_on) where x.id = m.id;
  n := tenancy.end_sessions(array(select s.session_id from tenancy.session s where s.membership_id = m.id and s.revoked_at is null), 'membership terminated');
  return jsonb_build_object('membership', m.id, 'user_id', m.user_id, 'sessions_ended', n, 'event_id', e);
end $$;
-- Another role is another membership; the old one ends in the same transaction, and its sessions with it.
create function tenancy.change_role(membership text, role text, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare m tenancy.membership := tenancy.membership_named(membership, 'terminate'); done jsonb;
begin
  perform tenancy.reviewer('configure', m.tenant_id);
  if m.terminated_at is not null then raise exception 'this membership is terminated: ward member add makes another' using errcode = '55000'; end if;
  if m.user_id = tenancy.user_id() then raise exception 'nobody changes their own role' using errcode = 'WARD2'; end if;
  if m.role = 'patient' or change_role.role = 'patient' then raise exception 'a portal identity is no other role''s: terminate it, or ward member add' using errcode = '22023'; end if;
  if exists (select from tenancy.membership x where x.tenant_id = m.tenant_id and x.user_id = m.user_id and x.role = change_role.role and x.terminated_at is null) then
    raise exception 'this person has the role % there already', change_role.role using errcode = '23505';
  end if;
  done := tenancy.close_membership(m, reason, null);
  return done || jsonb_build_object('new_membership', tenancy.new_member(m.tenant_id, m.user_id, change_role.role, null, m.id), 'role', change_role.role);
end $$;

-- Ends a person everywhere: memberships, grants, standing on call, secrets and sessions. The user_id stays theirs.
create function tenancy.disable_user(who text, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare u tenancy.users; by_user uuid; m tenancy.membership; g tenancy.reviewer_grant; memberships int := 0; grants int := 0; sessions int; e bigint; live uuid[];
begin
  perform tenancy.lock_administrators();
  by_user := tenancy.reviewer_of('terminate', null);
  select * into u from tenancy.users x where x.id = tenancy.user_named(who) for no key update;  -- a key share, as of an uncommitted row that names this person, is not waited for
  if u.slug = 'ward-worker' then raise exception 'ward-worker is ward itself' using errcode = '55000'; end if;
  if u.id = by_user then raise exception 'nobody disables themself' using errcode = 'WARD2'; end if;
  if u.disabled_at is not null then raise exception '% was disabled at % UTC already', u.slug, to_char(u.disabled_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') using errcode = '55000'; end if;
  if exists (select from tenancy.reviewer_grant x where x.user_id = u.id and x.ended_at is null and (x.expires_at is null or x.expires_at > clock_timestamp())) then
    perform tenancy.reviewer_of('grant', null);  -- ending a reviewer is an administrator's
  end if;
  select array_agg(s.session_id) into live from tenancy.session s where s.user_id = u.id and s.revoked_at is null and s.expires_at > clock_timestamp();
  for m in select * from tenancy.membership x where x.user_id = u.id and x.terminated_at is null order by x.started_at loop
    perform tenancy.close_membership(m, reason, null);
    memberships := memberships + 1;
  end loop;
  for g in select * from tenancy.reviewer_grant x where x.user_id = u.id and x.ended_at is null and (x.expires_at is null or x.expires_at > clock_timestamp()) loop
    perform tenancy.close_grant(g, reason);
    grants := grants + 1;
  end loop;
  update tenancy.on_call x set removed_at = clock_timestamp() where x.user_id = u.id and x.removed_at is null;
  update tenancy.service_secret x set ended_at = clock_timestamp() where x.user_id = u.id and x.ended_at is null;
  perform tenancy.end_sessions(array(select s.session_id from tenancy.session s where s.user_id = u.id and s.revoked_at is null), 'user disabled');
  update tenancy.users x set disabled_at = clock_timestamp() where x.id = u.id;
  perform tenancy.keep_administrator();
  sessions := coalesce(cardinality(live), 0);
  e := audit.write(tenancy.installation(), 'terminate', 'ok', jsonb_build_object('what', 'user disable', 'user', u.id, 'memberships', memberships, 'grants', grants, 'sessions', sessions, 'reason', review.need_reason(reason))::text);
  return jsonb_build_object('user_id', u.id, 'memberships_ended', memberships, 'grants_ended', grants, 'sessions_ended', sessions, 'event_id', e);
end $$;
-- The person may sign in again. What was ended stays ended: memberships and grants are given anew.
create function tenancy.enable_user(who text, reason text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare by_user uuid := tenancy.reviewer_of('configure', null); u uuid := tenancy.user_named(who);
begin
  update tenancy.users x set disabled_at = null where x.id = u and x.disabled_at is not null;
  if not found then raise exception '% is not disabled', who using errcode = '55000'; end if;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'user enable', 'user', u, 'reason', review.need_reason(reason))::text);
  return u;
end $$;

-- Roles inside a clinic. They are the installation's: a change reaches every clinic, at the next ask.
create function tenancy.add_role(name text, note text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform tenancy.reviewer_of('configure', null);
  if exists (select from tenancy.role r where r.name = add_role.name) then raise exception 'there is a role "%" already', name using errcode = '23505'; end if;
  insert into tenancy.role (name, note) values (add_role.name, add_role.note);
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'role add', 'role', name)::text);
end $$;
create function tenancy.allow_role(role text, record_table text, actions text[], allowed boolean) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare by_user uuid := tenancy.reviewer_of('configure', null); tab text := tenancy.phi_table_named(record_table);
begin
  if not exists (select from tenancy.role r where r.name = allow_role.role) then raise exception 'no role "%"', role using errcode = '02000', hint = 'ward role list shows them'; end if;
  if coalesce(cardinality(actions), 0) = 0 or not actions <@ array['view', 'create', 'modify', 'delete', 'export'] then raise exception 'actions are view, create, modify, delete and export' using errcode = '22023'; end if;
  if allowed then
    insert into tenancy.permission select allow_role.role, tab, unnest(actions) on conflict do nothing;
  else
    delete from tenancy.permission p where p.role = allow_role.role and p.record_table = tab and p.action = any (actions);
  end if;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', case when allowed then 'role permit' else 'role forbid' end, 'role', role, 'table', tab, 'actions', actions)::text);
end $$;
create function tenancy.phi_table_named(named text) returns text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare tab text;
begin
  select p.record_table into tab from tenancy.phi_table p where p.record_table in (named, 'public.' || named);
  if tab is null then raise exception 'no protected table "%": %', named, (select string_agg(p.record_table, ', ' order by p.record_table) from tenancy.phi_table p) using errcode = '02000'; end if;
  return tab;
end $$;

-- One person's events at every clinic within reach, under the one user_id they have. Each clinic has its own open event, and one goes to the installation.
create function audit.open_user(ask uuid, who text, reason text, filter jsonb default '{}', ticket text default null) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare by_user uuid := tenancy.reviewer('open'); u uuid := tenancy.user_named(who); f jsonb := audit.checked_filter(coalesce(filter, '{}') - 'actor'); t uuid; lease interval := (select x.review_lease from tenancy.setting x); said jsonb;
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then raise exception 'opening a person''s events needs a reason of at least four characters' using errcode = '22023'; end if;
  said := jsonb_build_object('screen', 'events of a user', 'user', u, 'reason', reason, 'ticket', ticket, 'filter', f);
  perform audit.write(tenancy.installation(), 'open', 'ok', said::text, null, null, null, 'audit', ask);
  for t in select x.id from tenancy.tenant x where tenancy.reaches(by_user, x.id, 'open')
      and (exists (select from tenancy.membership m where m.tenant_id = x.id and m.user_id = u) or exists (select from audit.event e where e.tenant_id = x.id and e.user_id = u)) loop
    if t <> tenancy.installation() then perform audit.write(t, 'open', 'ok', said::text, null, null, null, 'audit', ask); end if;
    perform audit.remember(ask, 'events of a user', array[u], jsonb_build_object('filter', f), lease, t);
  end loop;
end $$;
-- One page of them, newest first, before (at, id).
create function audit.user_events(pos_at timestamptz default null, pos_id bigint default null, max_rows int default 200) returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewing(); f jsonb; u uuid; tenants uuid[];
begin
  if max_rows is null or max_rows not between 1 and 5000 then raise exception 'a page is 1 to 5,000 rows' using errcode = '22023'; end if;
  select array_agg(a.tenant_id), min(a.ids[1]::text)::uuid, (jsonb_agg(a.payload->'filter'))->0 into tenants, u, f from audit.asked('events of a user') a where tenancy.reaches(a.user_id, a.tenant_id, 'open');
  if tenants is null then return; end if;
  return query select jsonb_build_object('tenant', t.slug, 'event_id', e.event_id, 'recorded_at', e.recorded_at, 'occurred_at', e.occurred_at, 'actor', s.slug, 'actor_id', e.user_id, 'actor_kind', e.actor_kind, 'action', e.action,
      'outcome', e.outcome, 'record_table', e.record_table, 'record_id', e.record_id, 'patient_id', coalesce(e.subject_id, r.subject_id), 'purpose', e.purpose, 'session_id', e.session_id, 'membership_id', e.membership_id,
      'disclosure_id', e.disclosure_id, 'detail', e.detail, 'source', e.source, 'seq', c.seq, 'hash', encode(c.hash, 'hex'))
    from (
      select x.* from unnest(tenants) n cross join lateral (
        select * from audit.event e where e.tenant_id = n and e.user_id = u and (pos_at is null or (e.recorded_at, e.event_id) < (pos_at, pos_id))
          and (f->>'outcome' is null or e.outcome = f->>'outcome') and (f->>'record_table' is null or e.record_table = f->>'record_table') and (f->>'purpose' is null or e.purpose = f->>'purpose')
          and (f->'action' is null or f->'action' ? e.action) and (f->>'record_id' is null or e.record_id = (f->>'record_id')::uuid) and (f->>'session_id' is null or e.session_id = (f->>'session_id')::uuid)
          and (f->>'subject_id' is null or e.subject_id = (f->>'subject_id')::uuid
            or exists (select from tenancy.record r where r.record_id = e.record_id and r.record_table = e.record_table and r.tenant_id = e.tenant_id and r.subject_id = (f->>'subject_id')::uuid))
          and (f->>'from' is null or e.recorded_at >= (f->>'from')::timestamptz) and (f->>'to' is null or e.recorded_at < (f->>'to')::timestamptz)
        order by e.recorded_at desc, e.event_id desc limit max_rows) x
      order by x.recorded_at desc, x.event_id desc limit max_rows) e
    join tenancy.tenant t on t.id = e.tenant_id join tenancy.users s on s.id = e.user_id left join audit.chain c on c.event_id = e.event_id
    left join tenancy.record r on r.record_id = e.record_id and r.record_table = e.record_table and r.tenant_id = e.tenant_id
    order by e.recorded_at desc, e.event_id desc;
end $$;

-- A list: recorded and committed by tenancy.browse, then read by tenancy.listing. what: tenants, users, user (one, with what disabling it would do), members (of clinic arg, or of all within reach), member (one, with
-- what terminating it would do), grants, oncall, roles (arg: one), services (arg: one), rules, runs (of rule arg, or of all), jobs (the worker's: not done, or dead), archive, verifications, sessions (live ones, of user arg
-- or of all within reach), keys, applications, suppressions.
create function tenancy.browse(ask uuid, what text, arg text default null) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('browse'); t uuid; m tenancy.membership; f jsonb := jsonb_strip_nulls(jsonb_build_object('of', arg)); shown jsonb;
begin
  if what not in ('tenants', 'users', 'user', 'members', 'member', 'grants', 'oncall', 'roles', 'services', 'rules', 'runs', 'jobs', 'archive', 'verifications', 'sessions', 'keys', 'applications', 'suppressions') then raise exception 'no list "%"', what using errcode = '22023'; end if;
  if what = 'member' then
    m := tenancy.membership_named(arg, 'browse');
    perform audit.look(ask, 'list:member', 'browse', null, f, array[m.id], m.tenant_id);
  elsif what = 'members' and arg is not null then
    t := tenancy.tenant_named(arg, 'browse');
    perform audit.look(ask, 'list:members', 'browse', null, f, array[t], t);
  elsif what = 'sessions' then
    perform tenancy.browse_sessions(ask, arg);
  elsif what = 'user' then
    t := tenancy.user_named(arg);
    if not tenancy.sees_user(who, t) then raise exception 'no user "%" within your reach', arg using errcode = '02000', hint = 'ward user list shows them'; end if;
    perform audit.look(ask, 'list:user', 'browse', null, f, array[t]);
  else
    if what = 'keys' then perform tenancy.reviewer('configure'); end if;
    if what = 'members' then select jsonb_object_agg(x.id, '[]'::jsonb) into shown from tenancy.tenant x where x.kind = 'clinic' and tenancy.reaches(who, x.id, 'browse'); end if;
    perform audit.look(ask, 'list:' || what, 'browse', shown, f, null);
  end if;
end $$;

-- Whom a reviewer sees: everybody, for a reach of every clinic; else who ever was a member of a clinic within it, or reviews or is on call there.
create function tenancy.sees_user(who uuid, u uuid) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select u = who or tenancy.reaches_all(who, 'browse') or exists (select from tenancy.membership m where m.user_id = u and tenancy.reaches(who, m.tenant_id, 'browse'))
$$;
-- Whether a reviewer sees what is said of a clinic, or, for null, of every clinic.
create function tenancy.sees(who uuid, tenant uuid) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select case when tenant is null then tenancy.reaches_all(who, 'browse') else tenancy.reaches(who, tenant, 'browse') end
$$;
-- A service account without anybody who answers for it: the owner has left.
create function tenancy.ownerless(service tenancy.users) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select not exists (select from tenancy.users o where o.id = service.owner_id and o.disabled_at is null
    and (exists (select from tenancy.membership m where m.user_id = o.id and m.terminated_at is null)
      or exists (select from tenancy.reviewer_grant g where g.user_id = o.id and g.ended_at is null and (g.expires_at is null or g.expires_at > clock_timestamp()))))
$$;
-- What else a person has: shown before anything of theirs is ended, cut to the reach of who looks.
create function tenancy.left_behind(u uuid, who uuid) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object(
    'services', coalesce((select jsonb_agg(s.slug order by s.slug) from tenancy.users s where s.owner_id = u and s.disabled_at is null and tenancy.sees_user(who, s.id)), '[]'),
    'grants', coalesce((select jsonb_agg(g.role || ' of ' || coalesce(t.slug, 'every clinic') order by g.starts_at) from tenancy.reviewer_grant g left join tenancy.tenant t on t.id = g.tenant_id
      where g.user_id = u and g.ended_at is null and (g.expires_at is null or g.expires_at > clock_timestamp()) and tenancy.sees(who, g.tenant_id)), '[]'),
    'on_call', coalesce((select jsonb_agg(coalesce(t.slug, '*') order by t.slug nulls first) from tenancy.on_call o left join tenancy.tenant t on t.id = o.tenant_id where o.user_id = u and o.removed_at is null and tenancy.sees(who, o.tenant_id)), '[]'))
$$;

create function tenancy.member_row(m tenancy.membership) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('id', m.id, 'tenant', t.slug, 'tenant_name', t.name, 'region', t.region, 'user_id', u.id, 'user', u.slug, 'name', u.name, 'kind', u.kind, 'role', m.role, 'started_at', m.started_at,
    'patient_id', m.patient_id, 'ended_on', m.ended_on, 'terminated_at', m.terminated_at, 'terminated_by', b.slug, 'reason', m.reason,
    'live_sessions', (select count(*) from tenancy.session s where s.membership_id = m.id and s.revoked_at is null and s.expires_at > clock_timestamp()))
  from tenancy.tenant t, tenancy.users u left join tenancy.users b on b.id = m.terminated_by where t.id = m.tenant_id and u.id = m.user_id
$$;
create function tenancy.listing(what text) returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('list:' || what); who uuid := tenancy.user_id();
begin
  case what
  when 'tenants' then return query select jsonb_build_object('id', t.id, 'slug', t.slug, 'name', t.name, 'region', t.region, 'kind', t.kind, 'created_at', t.created_at, 'retain_years', t.retain_years,
      'members', (select count(*) from tenancy.membership m where m.tenant_id = t.id and m.terminated_at is null),
      'open_anomalies', (select count(*) from review.anomaly x where x.tenant_id = t.id and x.open))
    from tenancy.tenant t where tenancy.reaches(who, t.id, 'browse') order by t.kind, t.slug;
  when 'users' then return query select jsonb_build_object('id', u.id, 'slug', u.slug, 'name', u.name, 'kind', u.kind, 'owner', o.slug, 'created_at', u.created_at, 'disabled_at', u.disabled_at,
      'memberships', coalesce((select jsonb_agg(jsonb_build_object('tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at) order by m.started_at)
        from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id where m.user_id = u.id and tenancy.reaches(who, m.tenant_id, 'browse')), '[]'))
    from tenancy.users u left join tenancy.users o on o.id = u.owner_id where tenancy.sees_user(who, u.id) order by u.slug;
  when 'user' then return query select jsonb_build_object('id', u.id, 'slug', u.slug, 'name', u.name, 'kind', u.kind, 'owner', o.slug, 'created_at', u.created_at, 'disabled_at', u.disabled_at,
      'live_sessions', (select count(*) from tenancy.session s where s.user_id = u.id and s.revoked_at is null and s.expires_at > clock_timestamp() and tenancy.sees(who, s.tenant_id)),
      'memberships', coalesce((select jsonb_agg(jsonb_build_object('tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at) order by m.started_at)
        from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id where m.user_id = u.id and tenancy.reaches(who, m.tenant_id, 'browse')), '[]')) || tenancy.left_behind(u.id, who)
    from tenancy.users u left join tenancy.users o on o.id = u.owner_id where u.id = a.ids[1] and tenancy.sees_user(who, u.id);
  when 'members' then return query select tenancy.member_row(m) from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id join tenancy.users u on u.id = m.user_id
    where (a.tenant_id is null or m.tenant_id = a.tenant_id) and tenancy.reaches(who, m.tenant_id, 'browse') order by m.terminated_at is not null, t.slug, u.slug;
  when 'member' then return query select tenancy.member_row(m) || jsonb_build_object(
      'upcoming_appointments', (select count(*) from review.relationship r where r.user_id = m.user_id and r.tenant_id = m.tenant_id and r.kind = 'appointment' and r.from_at > clock_timestamp() and r.void_at is null),
      'open_anomalies', (select count(*) from review.anomaly x where x.actor_id = m.user_id and x.tenant_id = m.tenant_id and x.open),
      'other_memberships', coalesce((select jsonb_agg(jsonb_build_object('tenant', t.slug, 'tenant_name', t.name, 'role', o.role)) from tenancy.membership o join tenancy.tenant t on t.id = o.tenant_id
        where o.user_id = m.user_id and o.id <> m.id and o.terminated_at is null and tenancy.reaches(who, o.tenant_id, 'browse')), '[]')) || tenancy.left_behind(m.user_id, who)
    from tenancy.membership m where m.id = a.ids[1];
  when 'grants' then return query select jsonb_build_object('id', g.id, 'user', u.slug, 'name', u.name, 'role', g.role, 'tenant', t.slug, 'granted_by', b.slug, 'reason', g.reason, 'ticket', g.ticket,
      'starts_at', g.starts_at, 'expires_at', g.expires_at, 'ended_at', g.ended_at)
    from tenancy.reviewer_grant g join tenancy.users u on u.id = g.user_id left join tenancy.users b on b.id = g.granted_by left join tenancy.tenant t on t.id = g.tenant_id
    where g.user_id = who or tenancy.sees(who, g.tenant_id) order by g.starts_at desc;
  when 'oncall' then return query select jsonb_build_object('id', o.id, 'user', u.slug, 'name', u.name, 'tenant', t.slug, 'added_by', b.slug, 'added_at', o.added_at, 'reason', o.reason, 'took', x.slug, 'until', g.expires_at)
    from tenancy.on_call o join tenancy.users u on u.id = o.user_id join tenancy.users b on b.id = o.added_by left join tenancy.tenant t on t.id = o.tenant_id
      left join tenancy.reviewer_grant g on g.user_id = o.user_id and g.granted_by = o.user_id and g.role = 'on_call_engineer' and g.ended_at is null and g.expires_at > clock_timestamp() and (o.tenant_id is null or g.tenant_id = o.tenant_id)
        and tenancy.sees(who, g.tenant_id)
      left join tenancy.tenant x on x.id = g.tenant_id
    where o.removed_at is null and (o.user_id = who or tenancy.sees(who, o.tenant_id)) order by u.slug, t.slug nulls first;
  when 'roles' then return query select jsonb_build_object('name', r.name, 'note', r.note,
      'permissions', coalesce((select jsonb_agg(jsonb_build_object('record_table', x.record_table, 'actions', x.actions) order by x.record_table)
        from (select p.record_table, array_agg(p.action order by p.action) as actions from tenancy.permission p where p.role = r.name group by p.record_table) x), '[]'),
      'members', (select count(*) from tenancy.membership m where m.role = r.name and m.terminated_at is null and tenancy.reaches(who, m.tenant_id, 'browse')))
    from tenancy.role r where a.payload->>'of' is null or r.name = a.payload->>'of' order by r.name;
  when 'services' then return query select tenancy.service_row(u, who) from tenancy.users u
    where u.kind = 'service' and u.slug <> 'ward-worker' and (a.payload->>'of' is null or u.slug = a.payload->>'of') and tenancy.sees_user(who, u.id) order by u.slug;
  when 'rules' then return query select jsonb_build_object('id', r.id, 'version', r.version, 'tier', r.tier, 'severity', r.severity, 'title', r.title, 'kind', r.kind, 'own', r.own, 'enabled', r.missing = '{}', 'missing', r.missing, 'explained', r.explained, 'loaded_at', r.loaded_at,
      'content_hash', r.content_hash, 'front_matter', r.front_matter, 'last_run_at', r.last_run_at, 'cursor_batch', r.cursor_batch,
      'open', (select count(*) from review.anomaly x where x.rule_id = r.id and x.open)) from review.rule r order by r.id;
  when 'runs' then return query select jsonb_build_object('run_id', x.run_id, 'rule_id', x.rule_id, 'rule_version', x.rule_version, 'from_batch', x.from_batch, 'to_batch', x.to_batch, 'matched', x.matched,
      'created', x.created, 'merged', x.merged, 'suppressed', x.suppressed, 'started_at', x.started_at, 'finished_at', x.finished_at, 'status', x.status, 'error', x.error, 'requested_by', u.slug, 'request_event', x.event_id,
      'recorded_as', x.recorded_as, 'period_start', x.period_start, 'period_end', x.period_end)
    from review.run x left join tenancy.users u on u.id = x.requested_by where a.payload->>'of' is null or starts_with(x.rule_id, a.payload->>'of') order by x.finished_at desc limit 500;
  when 'suppressions' then return query select review.suppression_row(x) from review.suppression x where tenancy.reaches(who, x.tenant_id, 'browse') order by x.ended_at is not null, x.expires_at desc, x.id limit 500;
  when 'jobs' then return query select jsonb_build_object('id', j.id, 'queue', j.queue, 'kind', j.kind, 'rule_id', nullif(j.args ->> 'rule', ''), 'dead', j.state = 'discarded', 'state', j.state, 'attempt', j.attempt,
      'max_attempts', j.max_attempts, 'created_at', j.created_at, 'next_at', case when j.finalized_at is null then j.scheduled_at end, 'finished_at', j.finalized_at, 'error', j.errors[cardinality(j.errors)] ->> 'error')
    from river.river_job j where j.state not in ('completed', 'cancelled') order by j.state = 'discarded' desc, j.id desc limit 500;
  when 'verifications' then return query select jsonb_build_object('id', v.id, 'by', u.slug, 'started_at', v.started_at, 'finished_at', v.finished_at, 'store', v.store, 'region', v.region, 'whole', v.tenant is null, 'months', v.months,
      'verdict', v.verdict, 'head_size', v.head_size, 'breaks', v.breaks, 'by_workers', v.by_workers, 'found', v.found)
    from audit.verification v join tenancy.users u on u.id = v.user_id order by v.started_at desc limit 500;
  when 'sessions', 'keys', 'applications' then return query select * from tenancy.sign_in_listing(what, a.ids);
  when 'archive' then return query select jsonb_build_object('id', h.id, 'tenant', t.slug, 'month', h.month, 'reason', h.reason, 'placed_by', p.slug, 'placed_at', h.placed_at, 'lifted_by', l.slug, 'lifted_at', h.lifted_at, 'lift_reason', h.lift_reason)
    from audit.hold h join tenancy.users p on p.id = h.placed_by left join tenancy.users l on l.id = h.lifted_by left join tenancy.tenant t on t.id = h.tenant_id where tenancy.reaches(who, h.tenant_id, 'browse') order by h.lifted_at is not null, h.placed_at desc;
  else return;
  end case;
end $$;

-- A verification by a reviewer: begun and committed before the store is read, its verdict recorded after.
-- region, tenant and months: null and empty are all there are. worse: what was not valid, by REGION/YYYY-MM.
create function audit.verify_begin(verification uuid, store text, region text, tenant uuid, months text[]) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('verify');
begin
  perform audit.write(tenancy.installation(), 'verify', 'ok', (jsonb_build_object('verification', verification, 'store', store, 'months', months)
    || jsonb_strip_nulls(jsonb_build_object('region', region, 'tenant', tenant)))::text, null, null, null, 'audit');
  insert into audit.verification (id, user_id, store, region, tenant, months) values (verification, who, store, region, tenant, coalesce(months, '{}'));
end $$;
create function audit.verify_end(verification uuid, verdict text, head_size bigint, breaks int, worse jsonb) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('verify');
begin
  update audit.verification v set finished_at = clock_timestamp(), verdict = verify_end.verdict, head_size = verify_end.head_size, breaks = verify_end.breaks, found = verify_end.worse
    where v.id = verification and v.user_id = who and v.finished_at is null;
  if not found then raise exception 'no verification of yours is open under this id' using errcode = '02000'; end if;
  perform audit.write(tenancy.installation(), 'verify', 'ok', jsonb_build_object('verification', verification, 'verdict', verdict, 'head', head_size, 'breaks', breaks)::text, null, null, null, 'audit');
end $$;
-- +goose StatementEnd
grant execute on function tenancy.init to ward_migrate;
grant execute on function tenancy.add_tenant, tenancy.add_user, tenancy.add_member, tenancy.add_grant, tenancy.end_grant, tenancy.terminate, tenancy.browse, tenancy.listing, tenancy.change_role, tenancy.disable_user,
  tenancy.enable_user, tenancy.add_role, tenancy.allow_role, tenancy.add_on_call, tenancy.remove_on_call, tenancy.take_on_call, tenancy.end_on_call, audit.open_user, audit.user_events,
  audit.verify_begin, audit.verify_end to ward_reviewer;
reset role;
