-- The evidence of a period: one list for each thing that an auditor asks for (docs/EVIDENCE.md), as it was known at a time, and the certification of a period by two
-- people. And the history of other systems, imported as such.

-- +goose Up
set local role ward_owner;

-- What was changed in place, as it was: who answered for an account and whether it was disabled, what service accounts had declared, what a rule said. The event of
-- the change is the one of the same transaction.
create table tenancy.user_log (
  id bigint generated always as identity primary key, at timestamptz not null default clock_timestamp(), xid xid8 not null default pg_current_xact_id(),
  user_id uuid not null, owner_id uuid, disabled_at timestamptz
);
create table tenancy.service_permission_log (
  id bigint generated always as identity primary key, at timestamptz not null default clock_timestamp(), xid xid8 not null default pg_current_xact_id(),
  user_id uuid not null, tenant_id uuid, action text not null, record_table text not null, from_hour int not null, to_hour int not null, removed boolean not null
);
create table review.rule_log (
  id bigint generated always as identity primary key, at timestamptz not null default clock_timestamp(),
  rule_id text not null, version int not null, content_hash text not null, missing text[] not null, front_matter jsonb not null
);
create index user_log_user on tenancy.user_log (user_id, id); create index rule_log_rule on review.rule_log (rule_id, id);
-- +goose StatementBegin
create function tenancy.log_user() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into tenancy.user_log (user_id, owner_id, disabled_at) values (new.id, new.owner_id, new.disabled_at);
  return null;
end $$;
create function tenancy.log_service_permission() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare p tenancy.service_permission := case when tg_op = 'DELETE' then old else new end;
begin
  insert into tenancy.service_permission_log (user_id, tenant_id, action, record_table, from_hour, to_hour, removed) values (p.user_id, p.tenant_id, p.action, p.record_table, p.from_hour, p.to_hour, tg_op = 'DELETE');
  return null;
end $$;
create function review.log_rule() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' or (new.version, new.content_hash, new.missing) is distinct from (old.version, old.content_hash, old.missing) then
    insert into review.rule_log (rule_id, version, content_hash, missing, front_matter) values (new.id, new.version, new.content_hash, new.missing, new.front_matter);
  end if;
  return null;
end $$;
-- +goose StatementEnd
insert into tenancy.user_log (at, user_id, owner_id, disabled_at) select u.created_at, u.id, u.owner_id, u.disabled_at from tenancy.users u order by u.created_at, u.id;
insert into tenancy.service_permission_log (user_id, tenant_id, action, record_table, from_hour, to_hour, removed) select p.user_id, p.tenant_id, p.action, p.record_table, p.from_hour, p.to_hour, false from tenancy.service_permission p;
insert into review.rule_log (at, rule_id, version, content_hash, missing, front_matter) select r.known_since, r.id, r.version, r.content_hash, r.missing, r.front_matter from review.rule r;
create trigger log after insert or update of owner_id, disabled_at on tenancy.users for each row execute function tenancy.log_user();
create trigger log after insert or update or delete on tenancy.service_permission for each row execute function tenancy.log_service_permission();
create trigger log after insert or update on review.rule for each row execute function review.log_rule();

-- A bundle: who asked for which period of which clinics, as known when. Its files stand outside; the hash of their manifest is here.
create table review.bundle (
  id uuid primary key, made_by uuid not null references tenancy.users, made_at timestamptz not null default clock_timestamp(), tenants uuid[] not null check (cardinality(tenants) > 0),
  from_at timestamptz not null, to_at timestamptz not null check (to_at > from_at), as_of timestamptz not null check (as_of >= to_at), event_id bigint not null
);
create table review.bundle_manifest (
  bundle_id uuid primary key references review.bundle, sha256 bytea not null unique check (length(sha256) = 32), at timestamptz not null default clock_timestamp(), event_id bigint not null
);
-- A named reviewer certifies a period over the manifest of its bundle; somebody else approves. Both are events, whose proofs an outsider can check.
create table review.certification (
  id uuid primary key default gen_random_uuid(), bundle_id uuid not null references review.bundle_manifest, reviewer_id uuid not null references tenancy.users,
  statement text not null check (length(statement) between 20 and 4000), at timestamptz not null default clock_timestamp(), event_id bigint not null,
  unique (id, reviewer_id), constraint certified_once unique (bundle_id, reviewer_id)
);
create table review.certification_approval (
  certification_id uuid primary key, reviewer_id uuid not null, approver_id uuid not null references tenancy.users, reason text not null, at timestamptz not null default clock_timestamp(), event_id bigint not null,
  foreign key (certification_id, reviewer_id) references review.certification (id, reviewer_id),
  constraint somebody_else_approves check (approver_id <> reviewer_id)
);

-- History of another system. What was imported is known by the hash of the id that it has there, so that a second import of the same adds nothing.
create table audit.import (
  id uuid primary key, tenant_id uuid not null references tenancy.tenant, system text not null check (system ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
  file bytea not null check (length(file) = 32),  -- SHA-256 of what is read
  started_by uuid not null references tenancy.users, started_at timestamptz not null default clock_timestamp(), event_id bigint not null
);
create index import_file on audit.import (tenant_id, system, file);
create table audit.import_batch (
  import_id uuid not null references audit.import, upto_line bigint not null, added int not null, seen int not null, at timestamptz not null default clock_timestamp(), event_id bigint not null,
  primary key (import_id, upto_line)
);
create table audit.imported (
  tenant_id uuid not null, system text not null, source bytea not null check (length(source) = 32), import_id uuid not null references audit.import, primary key (tenant_id, system, source)
);
-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['tenancy.user_log', 'tenancy.service_permission_log', 'review.rule_log', 'review.bundle', 'review.bundle_manifest', 'review.certification', 'review.certification_approval',
    'audit.import', 'audit.import_batch', 'audit.imported'] loop
    execute format('create trigger append_only before update or delete on %s for each row execute function audit.append_only()', t);
    execute format('create trigger append_only_truncate before truncate on %s for each statement execute function audit.append_only()', t);
    execute format('alter table %s enable always trigger append_only', t);
    execute format('alter table %s enable always trigger append_only_truncate', t);
  end loop;
end $$;
-- +goose StatementEnd
insert into tenancy.reviewer_action values ('administrator', 'import');
create type review.bundle_scope as (who uuid, tenants uuid[], from_at timestamptz, to_at timestamptz, as_of timestamptz);
create view review.sealed_event as
  select e.*, c.seq, c.hash, c.sealed_at from audit.event e join audit.chain c on c.recorded_at = e.recorded_at and c.event_id = e.event_id;

-- +goose StatementBegin
create function review.may_everywhere(who uuid, tenants uuid[], action text) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select not exists (select from unnest(tenants) t where not tenancy.reaches(who, t, action))
$$;
-- Records that a period's evidence is taken out, once for the installation and once for each clinic in it. as_of null: the newest seal. Only what was sealed by then is in
-- the lists; batches are sealed in order, so that what a past time shows of events never changes.
create function review.evidence_begin(ask uuid, tenants text[], from_at timestamptz, to_at timestamptz, as_of timestamptz) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('export'); named uuid[] := '{}'; t text; one uuid; newest timestamptz; upto timestamptz; till timestamptz; e bigint; said jsonb;
begin
  foreach t in array coalesce(tenants, '{}') loop named := named || tenancy.tenant_named(t, 'export'); end loop;
  select array_agg(x.id order by x.slug) into named from tenancy.tenant x where tenancy.reaches(who, x.id, 'export') and (x.id = any (named) or coalesce(cardinality(tenants), 0) = 0);
  select c.sealed_at into newest from audit.chain c order by c.batch desc limit 1;
  if newest is null then raise exception 'nothing is sealed yet' using errcode = '55000', hint = 'is ward worker running?'; end if;
  upto := coalesce(as_of, newest);
  till := coalesce(to_at, upto);
  if upto > newest then
    raise exception 'not everything up to % is sealed yet: the newest seal is of %', to_char(upto at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), to_char(newest at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
      using errcode = '22023', hint = 'take an earlier --as-of, or wait for the worker';
  end if;
  if from_at is null or from_at >= till then raise exception 'the period ends before it begins' using errcode = '22023'; end if;
  if till > upto then raise exception 'the period ends after the time as of which it is told' using errcode = '22023', hint = 'take an earlier --to, or leave it out'; end if;
  said := jsonb_build_object('screen', 'evidence', 'bundle', ask, 'from', from_at, 'to', till, 'as_of', upto);
  e := audit.write(tenancy.installation(), 'export', 'ok', (said || jsonb_build_object('clinics', cardinality(named)))::text, null, null, null, 'audit', ask);
  foreach one in array named loop
    if one <> tenancy.installation() then perform audit.write(one, 'export', 'ok', said::text, null, null, null, 'audit', ask); end if;
  end loop;
  insert into review.bundle (id, made_by, tenants, from_at, to_at, as_of, event_id) values (ask, who, named, from_at, till, upto, e);
  perform audit.remember(ask, 'evidence', named, '{}', (select review_lease from tenancy.setting));
end $$;
create function review.the_bundle(out b review.bundle, out s review.bundle_scope) language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('evidence');
begin
  select * into b from review.bundle x where x.id = a.disclosure_id and x.made_by = a.user_id;
  if not review.may_everywhere(a.user_id, b.tenants, 'export') then raise exception 'your grants no longer reach all of this bundle''s clinics' using errcode = '42501'; end if;
  s := row(a.user_id, b.tenants, b.from_at, b.to_at, b.as_of);
end $$;
-- What the manifest says of the bundle. queries: SHA-256 over the functions that make the lists, by name.
create function review.evidence_scope() returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare x record;
begin
  select * into x from review.the_bundle();
  return jsonb_build_object('bundle', (x.b).id, 'region', tenancy.region_here(), 'from', (x.s).from_at, 'to', (x.s).to_at, 'as_of', (x.s).as_of, 'made_at', (x.b).made_at, 'event_id', (x.b).event_id,
    'made_by', (select jsonb_build_object('user_id', u.id, 'slug', u.slug, 'name', u.name) from tenancy.users u where u.id = (x.b).made_by),
    'queries', (select encode(sha256(convert_to(string_agg(p.proname || ' ' || p.prosrc, E'\n' order by p.proname), 'utf8')), 'hex') from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'review' and p.proname like 'evidence\_%'),
    'restricted', not review.may_everywhere((x.s).who, (x.s).tenants, 'close'),
    'archive_only', (select coalesce(jsonb_agg(to_char(p.month, 'YYYY-MM') order by p.month), '[]') from audit.pruned p
      where (p.month + interval '1 month') at time zone 'UTC' > (x.s).from_at and p.month::timestamp at time zone 'UTC' < (x.s).to_at),
    'tenants', (select jsonb_agg(jsonb_build_object('id', t.id, 'slug', t.slug, 'name', t.name, 'kind', t.kind, 'head_seq', coalesce(h.seq, 0), 'head_hash', encode(h.hash, 'hex'), 'head_sealed_at', h.sealed_at) order by t.slug collate "C")
      from tenancy.tenant t left join lateral (select y.seq, y.hash, y.sealed_at from (
          (select c.seq, c.hash, c.sealed_at from audit.chain c where c.tenant_id = t.id and c.sealed_at <= (x.s).as_of order by c.seq desc limit 1)
          union all (select r.seq, r.hash, r.sealed_at from audit.resume r where r.tenant_id = t.id and r.sealed_at <= (x.s).as_of order by r.seq desc limit 1)) y order by y.seq desc limit 1) h on true
      where t.id = any ((x.s).tenants)));
end $$;
create function review.evidence_rows(file text) returns setof json language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare x record; f text := 'evidence_' || lower(replace(file, '-', '_'));
begin
  select * into x from review.the_bundle();
  if file !~ '^[0-9a-zA-Z-]+$' or to_regprocedure(format('review.%I(review.bundle_scope)', f)) is null then raise exception 'no list "%"', file using errcode = '22023'; end if;
  return query execute format('select * from review.%I($1)', f) using x.s;
end $$;
create function review.evidence_end(bundle uuid, sha256 bytea) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('export'); b review.bundle; e bigint;
begin
  select * into b from review.bundle x where x.id = bundle and x.made_by = who;
  if b.id is null then raise exception 'no bundle of yours has this id' using errcode = '02000'; end if;
  e := audit.write(tenancy.installation(), 'export', 'ok', jsonb_build_object('screen', 'evidence', 'bundle', b.id, 'manifest', encode(sha256, 'hex'))::text, null, null, null, 'audit', b.id);
  insert into review.bundle_manifest (bundle_id, sha256, event_id) values (b.id, evidence_end.sha256, e);
  return e;
end $$;
-- Certifying: the signature is the event, under the person's own session; its proof (ward archive prove) can be checked with the public key alone. The action is close: a period is
-- closed as an anomaly is, and approved by somebody else.
create function review.certify(manifest bytea, statement text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('close'); b review.bundle; c uuid := gen_random_uuid(); e bigint;
begin
  select x.* into b from review.bundle x join review.bundle_manifest m on m.bundle_id = x.id where m.sha256 = manifest and review.may_everywhere(who, x.tenants, 'close');
  if b.id is null then raise exception 'no bundle with this manifest was made here within your reach' using errcode = '02000', hint = 'ward evidence makes one'; end if;
  statement := btrim(coalesce(statement, ''), E' \t\r\n');
  if length(statement) not between 20 and 4000 then raise exception 'a statement has 20 to 4,000 characters: what was reviewed, and that it was' using errcode = '22023'; end if;
  if exists (select from review.certification x where x.bundle_id = b.id and x.reviewer_id = who) then raise exception 'you have certified this bundle already' using errcode = '23505'; end if;
  e := audit.write(tenancy.installation(), 'close', 'ok', jsonb_build_object('what', 'certification', 'certification', c, 'bundle', b.id, 'manifest', encode(manifest, 'hex'), 'from', b.from_at, 'to', b.to_at, 'as_of', b.as_of,
    'tenants', b.tenants, 'statement', statement)::text, null, null, null, 'audit');
  insert into review.certification (id, bundle_id, reviewer_id, statement, event_id) values (c, b.id, who, statement, e);
  return jsonb_build_object('id', c, 'event_id', e);
end $$;
create function review.approve_certification(certification text, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('approve'); c review.certification; m bytea; e bigint;
begin
  if certification !~ '^[0-9a-fA-F-]{8,36}$' then raise exception '"%" is not a certification id: give at least its first eight characters', certification using errcode = '22023'; end if;
  select x.* into c from review.certification x join review.bundle b on b.id = x.bundle_id where starts_with(x.id::text, lower(certification)) and review.may_everywhere(who, b.tenants, 'approve') order by x.id limit 1;
  if c.id is null then raise exception 'no certification "%" within your reach', certification using errcode = '02000', hint = 'ward evidence list shows them'; end if;
  if who = any (tenancy.accounts_of(c.reviewer_id)) then raise exception 'you certified this period: somebody else approves it' using errcode = 'WARD2'; end if;
  if exists (select from review.certification_approval a where a.certification_id = c.id) then raise exception 'this certification is approved already' using errcode = '55000'; end if;
  select x.sha256 into m from review.bundle_manifest x where x.bundle_id = c.bundle_id;
  e := audit.write(tenancy.installation(), 'approve', 'ok', jsonb_build_object('what', 'certification', 'certification', c.id, 'certified_as', c.event_id, 'manifest', encode(m, 'hex'), 'reason', review.need_reason(reason))::text, null, null, null, 'audit');
  insert into review.certification_approval (certification_id, reviewer_id, approver_id, reason, event_id) values (c.id, c.reviewer_id, who, review.need_reason(reason), e);
  return jsonb_build_object('id', c.id, 'event_id', e);
end $$;
-- The same below the function, whoever writes.
create function review.keep_certifiers_apart() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if new.approver_id = any (tenancy.accounts_of(new.reviewer_id)) then raise exception 'who certified a period does not approve it under another account' using errcode = 'WARD2'; end if;
  return null;
end $$;
create trigger keep_apart after insert on review.certification_approval for each row execute function review.keep_certifiers_apart();
create function review.certification_rows(who uuid, until timestamptz) returns table (id uuid, bundle_id uuid, period_from timestamptz, period_to timestamptz, as_of timestamptz, tenants text, manifest text, reviewer text, reviewer_name text,
  statement text, certified_at timestamptz, certified_as bigint, approver text, approver_name text, approve_reason text, approved_at timestamptz, approved_as bigint) language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select c.id, b.id, b.from_at, b.to_at, b.as_of, (select string_agg(t.slug, ' ' order by t.slug collate "C") from tenancy.tenant t where t.id = any (b.tenants)), encode(m.sha256, 'hex'), r.slug, r.name, c.statement, c.at, c.event_id, p.slug, p.name, a.reason, a.at, a.event_id
  from review.certification c join review.bundle b on b.id = c.bundle_id join review.bundle_manifest m on m.bundle_id = b.id join tenancy.users r on r.id = c.reviewer_id
    left join review.certification_approval a on a.certification_id = c.id and a.at <= until left join tenancy.users p on p.id = a.approver_id
  where c.at <= until and review.may_everywhere(certification_rows.who, b.tenants, 'browse')
$$;
create function review.browse_certifications(ask uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('browse');
begin
  perform audit.look(ask, 'certifications', 'browse', null, '{}', (select array_agg(c.id) from review.certification_rows(who, 'infinity') c));
end $$;
create function review.certifications() returns setof json language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('certifications');
begin
  return query select to_json(c) from review.certification_rows(a.user_id, 'infinity') c where c.id = any (a.ids) order by c.certified_at desc;
end $$;
-- Anomalies as they stood: their state is that of the last transition until then.
create function review.anomalies_as_of(s review.bundle_scope) returns table (id uuid, tenant text, rule_id text, rule_version int, tier text, severity text, actor text, actor_id uuid, subject_id uuid, recurrence_of uuid, summary text,
  created_at timestamptz, claimed_at timestamptz, escalated_at timestamptz, state text, disposition text, closed_at timestamptz, closed_by text, close_reason text, approved_at timestamptz, approved_by text,
  evidence_event_ids text, decision_event_ids text) language sql stable set search_path = pg_catalog, pg_temp as $$
  select a.id, t.slug, a.rule_id, a.rule_version, a.tier, a.severity, u.slug, a.actor_id, a.subject_id, a.recurrence_of, a.summary, a.created_at,
    (select min(x.at) from review.transition x where x.anomaly_id = a.id and x.to_state = 'claimed' and x.at <= (s).as_of), (select min(x.at) from review.transition x where x.anomaly_id = a.id and x.to_state = 'escalated' and x.at <= (s).as_of),
    coalesce(l.to_state, 'new'), c.disposition, case when l.to_state = 'closed' then l.at end, cu.slug, c.reason, p.at, pu.slug,
    (select string_agg(e.event_id::text, ' ' order by e.event_id) from (select e.event_id from review.evidence e join audit.chain k on k.event_id = e.event_id where e.anomaly_id = a.id and k.sealed_at <= (s).as_of order by e.event_id limit 2000) e),
    (select string_agg(x.event_id::text, ' ' order by x.version) from review.transition x where x.anomaly_id = a.id and x.event_id is not null and x.at <= (s).as_of)
  from review.anomaly a join tenancy.tenant t on t.id = a.tenant_id left join tenancy.users u on u.id = a.actor_id
    left join lateral (select x.* from review.transition x where x.anomaly_id = a.id and x.at <= (s).as_of order by x.version desc limit 1) l on true
    left join lateral (select x.* from review.transition x where x.anomaly_id = a.id and x.at <= (s).as_of and l.to_state in ('closed', 'pending_approval')
      and (x.to_state = 'pending_approval' or x.to_state = 'closed' and x.from_state is distinct from 'pending_approval') order by x.version desc limit 1) c on true
    left join lateral (select x.* from review.transition x where x.anomaly_id = a.id and x.at <= (s).as_of and l.to_state = 'closed' and x.from_state = 'pending_approval' and x.to_state = 'closed' order by x.version desc limit 1) p on true
    left join tenancy.users cu on cu.id = c.by_user left join tenancy.users pu on pu.id = p.by_user
  where a.tenant_id = any ((s).tenants) and a.created_at <= (s).as_of
$$;
-- The anomalies of the period: found in it, or still open when it began.
create function review.anomalies_of_period(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select a.id as anomaly_id, a.tenant, a.rule_id, a.rule_version, a.tier, a.severity, a.actor, a.subject_id, a.created_at, a.claimed_at, a.closed_at, a.approved_at, a.state, a.disposition, a.closed_by, a.approved_by,
      round(extract(epoch from a.claimed_at - a.created_at) / 3600, 2) as hours_to_claim, round(extract(epoch from a.closed_at - a.created_at) / 3600, 2) as hours_to_close, a.close_reason, a.recurrence_of, a.evidence_event_ids, a.decision_event_ids
    from review.anomalies_as_of(s) a where a.created_at < (s).to_at and (a.created_at >= (s).from_at or a.closed_at is null or a.closed_at >= (s).from_at) order by a.created_at, a.id) x
$$;
-- 164.312(b)
create function review.evidence_312b_sources(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select t.slug as tenant, t.region, g.source, g.system, g.events_in_period, g.first_event_at, g.last_event_at, g.first_event_id, g.last_event_id, h.seq as chain_seq, h.sealed_at as heartbeat_at
    from tenancy.tenant t
      left join lateral (select e.source, case when e.source = 'import' then e.detail::jsonb ->> 'system' end as system, count(*) as events_in_period, min(e.recorded_at) as first_event_at, max(e.recorded_at) as last_event_at, min(e.event_id) as first_event_id,
        max(e.event_id) as last_event_id from review.sealed_event e where e.tenant_id = t.id and e.recorded_at >= (s).from_at and e.recorded_at < (s).to_at and e.sealed_at <= (s).as_of group by 1, 2) g on true
      left join lateral (select c.seq, c.sealed_at from audit.chain c where c.tenant_id = t.id and c.sealed_at <= (s).as_of order by c.seq desc limit 1) h on true
    where t.id = any ((s).tenants) and t.created_at <= (s).as_of order by t.slug collate "C", g.source, g.system collate "C") x
$$;
create function review.evidence_312b_tables(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select p.record_table, p.protected_at, p.subject_column is not null as has_patient, array_to_string(p.open_columns, ' ') as open_columns,
      (select string_agg(r.kind, ' ' order by r.kind) from review.relation r where r.record_table = p.record_table) as explains from tenancy.phi_table p where p.protected_at <= (s).as_of order by p.record_table collate "C") x
$$;
create function review.evidence_312b_rules(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select l.rule_id, l.version, l.front_matter ->> 'title' as title, l.front_matter ->> 'tier' as tier, l.front_matter ->> 'severity' as severity,
      (select string_agg(c, '; ' order by n) from jsonb_array_elements_text(l.front_matter -> 'citations') with ordinality y(c, n)) as citations, l.front_matter ->> 'every' as every, l.missing = '{}' as enabled, array_to_string(l.missing, ' ') as missing,
      l.front_matter ->> 'description' as description, l.front_matter ->> 'triage' as triage, l.content_hash, l.at as in_force_since,
      (select min(r.recorded_as) from review.run r where r.rule_id = l.rule_id and r.content_hash = l.content_hash and r.finished_at <= (s).as_of) as first_run_event_id
    from (select distinct on (l.rule_id) l.* from review.rule_log l where l.at <= (s).as_of order by l.rule_id, l.id desc) l order by l.rule_id collate "C") x
$$;
create function review.evidence_312b_runs(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select r.run_id, r.rule_id, r.rule_version, r.content_hash, r.started_at, r.finished_at, r.status, r.matched, r.created, r.merged, r.matched = 0 and r.status = 'ok' as zero_match, r.from_batch, r.to_batch, r.period_start, r.period_end,
      u.slug as requested_by, r.event_id as request_event_id, r.recorded_as as event_id, r.error
    from review.run r left join tenancy.users u on u.id = r.requested_by where r.finished_at >= (s).from_at and r.finished_at < (s).to_at and r.finished_at <= (s).as_of order by r.finished_at, r.run_id) x
$$;
create function review.evidence_312b_gaps(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  with every as (select l.rule_id, (l.front_matter ->> 'every')::interval as every from (select distinct on (l.rule_id) l.* from review.rule_log l where l.at <= (s).as_of order by l.rule_id, l.id desc) l)
  select to_json(x) from (
    select 'rule period skipped' as kind, r.rule_id as subject, r.period_start as from_at, r.period_end as to_at, 'the run at its end covers it' as what, null::bigint as event_id, r.run_id::text as run_id
      from review.run r join every v on v.rule_id = r.rule_id where r.status = 'ok' and r.period_end > (s).from_at and r.period_end <= (s).to_at and r.finished_at <= (s).as_of and r.period_end - r.period_start > v.every
    union all select 'rule run failed', r.rule_id, r.started_at, r.finished_at, r.error, r.recorded_as, r.run_id::text from review.run r where r.status = 'error' and r.finished_at >= (s).from_at and r.finished_at < (s).to_at and r.finished_at <= (s).as_of
    union all select 'rule not run to the end', v.rule_id, greatest(m.until, (s).from_at), (s).to_at, 'no later period has run', null, null from every v
      left join lateral (select max(r.period_end) as until from review.run r where r.rule_id = v.rule_id and r.status = 'ok' and r.finished_at <= (s).as_of) m on true where coalesce(m.until, '-infinity') < (s).to_at - v.every
    union all select 'rule not enabled', l.rule_id, l.at, null, 'needs ' || array_to_string(l.missing, ', '), null, null
      from (select distinct on (l.rule_id) l.* from review.rule_log l where l.at <= (s).as_of order by l.rule_id, l.id desc) l where l.missing <> '{}'
    union all select 'rows lost before the chain went on', t.slug, null, r.sealed_at, 'the chain goes on at ' || r.seq, r.event_id, null from audit.resume r join tenancy.tenant t on t.id = r.tenant_id
      where r.tenant_id = any ((s).tenants) and r.sealed_at >= (s).from_at and r.sealed_at <= (s).as_of
    union all select 'events in the archive only', to_char(p.month, 'YYYY-MM'), p.month::timestamp at time zone 'UTC', (p.month + interval '1 month') at time zone 'UTC', 'rows of these lists that rest on events of this month are missing here', p.event_id, null from audit.pruned p
      where (p.month + interval '1 month') at time zone 'UTC' > (s).from_at and p.month::timestamp at time zone 'UTC' < (s).to_at
  ) x order by x.from_at nulls first, x.kind, x.subject collate "C", x.run_id
$$;
-- 164.308(a)(1)(ii)(D). Periods are counted as the schedule counts them: their ends are the multiples of their length since the year 1.
create function review.evidence_308a1iiD_runs(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  with rule as (select l.rule_id, extract(epoch from (l.front_matter ->> 'every')::interval) as every, l.missing = '{}' as enabled, (select min(k.at) from review.rule_log k where k.rule_id = l.rule_id) as since
    from (select distinct on (l.rule_id) l.* from review.rule_log l where l.at <= (s).as_of order by l.rule_id, l.id desc) l
  ), planned as (select r.*, case when r.enabled and r.since < (s).to_at then floor((extract(epoch from (s).to_at) + 62135596800) / r.every) - floor((extract(epoch from greatest((s).from_at, r.since)) + 62135596800) / r.every) else 0 end::bigint as planned from rule r)
  select to_json(x) from (select p.rule_id, p.enabled, p.every as period_seconds, p.planned, d.done, greatest(p.planned - d.done, 0) as missed, d.upto as examined_up_to, a.failed, a.ok_runs, a.zero_match, a.requested, a.matched, a.created, a.merged, a.first_event_id, a.last_event_id, '312b-runs' as counted_in
    from planned p
      cross join lateral (select count(*) as done, max(r.period_end) as upto from review.run r where r.rule_id = p.rule_id and r.status = 'ok' and r.period_end > (s).from_at and r.period_end <= (s).to_at and r.finished_at <= (s).as_of) d
      cross join lateral (select count(*) filter (where r.status = 'error') as failed, count(*) filter (where r.status = 'ok') as ok_runs, count(*) filter (where r.status = 'ok' and r.matched = 0) as zero_match, count(*) filter (where r.requested_by is not null) as requested,
        coalesce(sum(r.matched), 0) as matched, coalesce(sum(r.created), 0) as created, coalesce(sum(r.merged), 0) as merged, min(r.recorded_as) as first_event_id, max(r.recorded_as) as last_event_id
        from review.run r where r.rule_id = p.rule_id and r.finished_at >= (s).from_at and r.finished_at < (s).to_at and r.finished_at <= (s).as_of) a
    order by p.rule_id collate "C") x
$$;
create function review.evidence_308a1iiD_queue(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select t.slug as tenant, v.severity, count(a.id) filter (where a.created_at < (s).from_at and (a.closed_at is null or a.closed_at >= (s).from_at)) as open_at_start, count(a.id) filter (where a.created_at >= (s).from_at) as found,
      count(a.id) filter (where a.closed_at >= (s).from_at and a.closed_at < (s).to_at) as closed, count(a.id) filter (where a.closed_at is null or a.closed_at >= (s).to_at) as open_at_end,
      round(extract(epoch from (s).to_at - min(a.created_at) filter (where a.closed_at is null or a.closed_at >= (s).to_at)) / 3600, 2) as oldest_open_hours,
      round((percentile_cont(0.5) within group (order by extract(epoch from a.claimed_at - a.created_at)) filter (where a.created_at >= (s).from_at) / 3600)::numeric, 2) as median_hours_to_claim,
      round((percentile_cont(0.9) within group (order by extract(epoch from a.claimed_at - a.created_at)) filter (where a.created_at >= (s).from_at) / 3600)::numeric, 2) as p90_hours_to_claim,
      round((percentile_cont(0.5) within group (order by extract(epoch from a.closed_at - a.created_at)) filter (where a.closed_at >= (s).from_at and a.closed_at < (s).to_at) / 3600)::numeric, 2) as median_hours_to_close,
      round((percentile_cont(0.9) within group (order by extract(epoch from a.closed_at - a.created_at)) filter (where a.closed_at >= (s).from_at and a.closed_at < (s).to_at) / 3600)::numeric, 2) as p90_hours_to_close,
      '308a1iiD-items' as counted_in
    from tenancy.tenant t cross join (values (1, 'critical'), (2, 'high'), (3, 'medium'), (4, 'low')) v(n, severity)
      left join review.anomalies_as_of(s) a on a.tenant = t.slug and a.severity = v.severity and a.created_at < (s).to_at and (a.created_at >= (s).from_at or a.closed_at is null or a.closed_at >= (s).from_at)
    where t.id = any ((s).tenants) and t.created_at <= (s).as_of group by t.slug, v.n, v.severity having count(a.id) > 0 order by t.slug collate "C", v.n) x
$$;
create function review.evidence_308a1iiD_items(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$ select x from review.anomalies_of_period(s) x $$;
-- Thirty of the closed ones, drawn by a hash of their ids and the period: nobody chose them, and the same period draws the same.
create function review.evidence_308a1iiD_sample(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select x from review.anomalies_of_period(s) x where x ->> 'state' = 'closed' and (x ->> 'closed_at')::timestamptz < (s).to_at
  order by sha256(convert_to((x ->> 'anomaly_id') || extract(epoch from (s).from_at) || '|' || extract(epoch from (s).to_at), 'utf8')) limit 30
$$;
create function review.evidence_308a1iiD_certifications(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(c) from review.certification_rows((s).who, (s).as_of) c where c.period_to > (s).from_at and c.period_from < (s).to_at order by c.certified_at, c.id
$$;
-- 164.308(a)(3)(ii)(C)
create function review.evidence_308a3iiC_leavers(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  with f as (select y.actor_id, y.tenant, string_agg(y.id || ' ' || y.state, '; ' order by y.id) as anomalies from review.anomalies_as_of(s) y where y.rule_id like 'A03%' group by y.actor_id, y.tenant)
  select to_json(x) from (select m.id as membership_id, t.slug as tenant, u.slug as "user", u.id as user_id, u.kind, m.role, m.started_at, m.ended_on, m.terminated_at as disabled_at, b.slug as disabled_by,
      round(extract(epoch from m.terminated_at - (m.ended_on + 1)::timestamp at time zone 'UTC') / 3600, 2) as lag_hours, l.disabled_at as account_disabled_at, e.recorded_at as last_event_at, e.event_id as last_event_id, a.n as events_after_end, a.ids as events_after_end_ids,
      f.anomalies, m.reason, k.event_id
    from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id join tenancy.users u on u.id = m.user_id left join tenancy.users b on b.id = m.terminated_by left join f on f.actor_id = m.user_id and f.tenant = t.slug
      left join lateral (select y.disabled_at from tenancy.user_log y where y.user_id = m.user_id and y.at <= (s).as_of order by y.id desc limit 1) l on true
      left join lateral (select y.recorded_at, y.event_id from review.sealed_event y where y.tenant_id = m.tenant_id and y.user_id = m.user_id and y.sealed_at <= (s).as_of order by y.recorded_at desc, y.event_id desc limit 1) e on true
      left join lateral (select count(*) as n, string_agg(z.event_id::text, ' ' order by z.event_id) filter (where z.r <= 2000) as ids from (select y.event_id, row_number() over (order by y.event_id) as r from review.sealed_event y
        where y.tenant_id = m.tenant_id and y.user_id = m.user_id and y.membership_id = m.id and y.sealed_at <= (s).as_of and coalesce(y.occurred_at, y.recorded_at) >= coalesce((m.ended_on + 1)::timestamp at time zone 'UTC', m.terminated_at)) z) a on true
      left join lateral (select y.event_id from review.sealed_event y where y.tenant_id = m.tenant_id and y.recorded_at between m.terminated_at - interval '1 minute' and m.terminated_at + interval '1 minute' and y.action = 'terminate' and y.detail::jsonb ->> 'membership' = m.id::text and y.sealed_at <= (s).as_of order by y.event_id limit 1) k on true
    where m.tenant_id = any ((s).tenants) and m.terminated_at >= (s).from_at and m.terminated_at < (s).to_at and m.terminated_at <= (s).as_of order by m.terminated_at, m.id) x
$$;
create function review.evidence_308a3iiC_roles(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select e.recorded_at as at, t.slug as tenant, u.slug as "user", o.role as from_role, e.detail::jsonb ->> 'role' as to_role, b.slug as changed_by, o.reason, e.event_id
    from review.sealed_event e join tenancy.tenant t on t.id = e.tenant_id left join tenancy.users u on u.id = (e.detail::jsonb ->> 'user')::uuid left join tenancy.users b on b.id = e.user_id
      left join tenancy.membership o on o.id = (e.detail::jsonb ->> 'instead_of')::uuid
    where e.tenant_id = any ((s).tenants) and e.action = 'configure' and e.source <> 'import' and e.outcome = 'ok' and e.detail::jsonb ->> 'what' = 'member add' and e.recorded_at >= (s).from_at and e.recorded_at < (s).to_at and e.sealed_at <= (s).as_of order by e.recorded_at, e.event_id) x
$$;
-- 164.312(a)(2)(i)
create function review.evidence_312a2i_users(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select u.id as user_id, u.slug as "user", u.name, u.kind, u.created_at, c.by_user as created_by, l.disabled_at, f.at as first_event_at, z.at as last_event_at, f.event_id as first_event_id, z.event_id as last_event_id,
      (select string_agg(t.slug || ' ' || m.role || ' since ' || to_char(m.started_at at time zone 'UTC', 'YYYY-MM-DD') || case when m.terminated_at <= (s).as_of then ' until ' || to_char(m.terminated_at at time zone 'UTC', 'YYYY-MM-DD') else '' end, '; ' order by t.slug collate "C", m.started_at, m.id)
        from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id where m.user_id = u.id and m.tenant_id = any ((s).tenants) and m.started_at <= (s).as_of) as memberships, c.event_id as created_event_id
    from tenancy.users u
      left join lateral (select y.disabled_at from tenancy.user_log y where y.user_id = u.id and y.at <= (s).as_of order by y.id desc limit 1) l on true
      left join lateral (select y.event_id, b.slug as by_user from review.sealed_event y left join tenancy.users b on b.id = y.user_id where y.tenant_id = tenancy.installation() and y.tenant_id = any ((s).tenants) and y.action = 'configure'
        and y.detail::jsonb ->> 'what' = 'user add' and y.detail::jsonb ->> 'user' = u.id::text and y.recorded_at >= u.created_at and y.recorded_at < u.created_at + interval '1 minute' and y.sealed_at <= (s).as_of order by y.event_id limit 1) c on true
      left join lateral (select y.recorded_at as at, y.event_id from unnest((s).tenants) t cross join lateral (select e.recorded_at, e.event_id from review.sealed_event e where e.tenant_id = t and e.user_id = u.id and e.sealed_at <= (s).as_of order by e.recorded_at, e.event_id limit 1) y order by 1, 2 limit 1) f on true
      left join lateral (select y.recorded_at as at, y.event_id from unnest((s).tenants) t cross join lateral (select e.recorded_at, e.event_id from review.sealed_event e where e.tenant_id = t and e.user_id = u.id and e.sealed_at <= (s).as_of order by e.recorded_at desc, e.event_id desc limit 1) y order by 1 desc, 2 desc limit 1) z on true
    where u.created_at <= (s).as_of and (tenancy.installation() = any ((s).tenants) or exists (select from tenancy.membership m where m.user_id = u.id and m.tenant_id = any ((s).tenants) and m.started_at <= (s).as_of)) order by u.slug collate "C") x
$$;
create function review.evidence_312a2i_services(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select u.slug as service, u.id as user_id, o.slug as owner, o.name as owner_name, l.disabled_at, p.action, p.record_table, coalesce(t.slug, case when p.action is not null then '*' end) as tenant, p.from_hour, p.to_hour, p.at as declared_at,
      (select min(e.event_id) from audit.event e join audit.chain k on k.event_id = e.event_id where e.xid = p.xid and e.action = 'configure' and e.tenant_id = any ((s).tenants) and k.sealed_at <= (s).as_of) as event_id
    from tenancy.users u
      left join lateral (select y.owner_id, y.disabled_at from tenancy.user_log y where y.user_id = u.id and y.at <= (s).as_of order by y.id desc limit 1) l on true left join tenancy.users o on o.id = l.owner_id
      left join (select distinct on (y.user_id, y.tenant_id, y.action, y.record_table, y.from_hour) y.* from tenancy.service_permission_log y where y.at <= (s).as_of order by y.user_id, y.tenant_id, y.action, y.record_table, y.from_hour, y.id desc) p
        on p.user_id = u.id and not p.removed and (p.tenant_id is null or p.tenant_id = any ((s).tenants)) left join tenancy.tenant t on t.id = p.tenant_id
    where u.kind = 'service' and u.slug <> 'ward-worker' and u.created_at <= (s).as_of and (tenancy.installation() = any ((s).tenants) or exists (select from tenancy.membership m where m.user_id = u.id and m.tenant_id = any ((s).tenants) and m.started_at <= (s).as_of))
    order by u.slug collate "C", p.record_table collate "C", p.action, t.slug collate "C" nulls first, p.from_hour) x
$$;
-- 164.308(a)(5)(ii)(C)
create function review.evidence_308a5iiC_denied(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  with f as (select v.event_id, string_agg(y.id || ' ' || y.state, '; ' order by y.id) as anomalies from review.anomalies_as_of(s) y join review.evidence v on v.anomaly_id = y.id group by v.event_id)
  select to_json(x) from (select e.event_id, e.recorded_at, t.slug as tenant, e.action, u.slug as "user", e.actor_kind, e.detail::jsonb ->> 'reason' as reason, e.detail::jsonb ->> 'method' as method, e.session_id,
      f.anomalies
    from review.sealed_event e join tenancy.tenant t on t.id = e.tenant_id left join tenancy.users u on u.id = e.user_id left join f on f.event_id = e.event_id
    where e.tenant_id = any ((s).tenants) and e.action in ('sign_in', 'refresh', 'refuse') and e.outcome = 'denied' and e.recorded_at >= (s).from_at and e.recorded_at < (s).to_at and e.sealed_at <= (s).as_of order by e.recorded_at, e.event_id) x
$$;
-- 164.308(a)(6)(ii)
create function review.evidence_308a6ii_incidents(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select a.id as anomaly_id, a.tenant, a.rule_id, a.severity, a.actor, a.subject_id, a.summary, a.created_at, a.escalated_at, a.state, a.disposition, a.closed_at, a.closed_by, a.approved_by, a.close_reason as outcome, a.evidence_event_ids, a.decision_event_ids
    from review.anomalies_as_of(s) a where a.escalated_at < (s).to_at and (a.escalated_at >= (s).from_at or a.closed_at is null or a.closed_at >= (s).from_at) order by a.escalated_at, a.id) x
$$;
create function review.evidence_308a6ii_timeline(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  with i as (select (x ->> 'anomaly_id')::uuid as id from review.evidence_308a6ii_incidents(s) x)
  select to_json(x) from (
    select v.anomaly_id, v.at, 'evidence' as kind, v.action || ' ' || coalesce(v.record_table, '') || ' ' || coalesce(v.record_id::text, '') || ' ' || v.outcome as what, null as by_user, v.event_id from review.evidence v join audit.chain k on k.event_id = v.event_id where v.anomaly_id in (select i.id from i) and k.sealed_at <= (s).as_of
    union all select t.anomaly_id, t.at, 'state', coalesce(t.from_state || ' to ', '') || t.to_state || coalesce(': ' || t.reason, ''), u.slug,
        coalesce(t.event_id, (select min(r.recorded_as) from review.evidence v join review.run r on r.run_id = v.added_by_run where v.anomaly_id = t.anomaly_id and t.version = 1)) from review.transition t left join tenancy.users u on u.id = t.by_user where t.anomaly_id in (select i.id from i) and t.at <= (s).as_of
    union all select n.anomaly_id, n.at, 'note', n.text, u.slug, (select min(e.event_id) from review.sealed_event e where e.tenant_id = any ((s).tenants) and e.recorded_at between n.at - interval '1 minute' and n.at + interval '1 minute' and e.action = 'note' and e.detail::jsonb ->> 'anomaly' = n.anomaly_id::text
        and e.detail::jsonb ->> 'sha256' = encode(sha256(convert_to(n.text, 'utf8')), 'hex') and e.sealed_at <= (s).as_of) from review.note n join tenancy.users u on u.id = n.by_user where n.anomaly_id in (select i.id from i) and n.at <= (s).as_of
  ) x order by x.anomaly_id, x.at, x.event_id, x.what collate "C"
$$;
create function review.evidence_312a2ii_break_glass(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  with f as (select v.event_id, string_agg(y.id || ' ' || y.state || coalesce(' ' || y.disposition, ''), '; ' order by y.id) as follow_up from review.anomalies_as_of(s) y join review.evidence v on v.anomaly_id = y.id group by v.event_id)
  select to_json(x) from (select e.event_id, coalesce(e.occurred_at, e.recorded_at) as at, t.slug as tenant, u.slug as "user", e.action, e.record_table, e.record_id, coalesce(e.subject_id, r.subject_id) as patient_id, e.outcome,
      (select min(q.from_at) from review.relationship q where q.tenant_id = e.tenant_id and q.user_id = e.user_id and q.patient_id = coalesce(e.subject_id, r.subject_id) and q.kind = 'encounter' and q.known_at <= (s).as_of
        and q.from_at between coalesce(e.occurred_at, e.recorded_at) - interval '1 day' and coalesce(e.occurred_at, e.recorded_at) + interval '1 day') as encounter_at,
      f.follow_up
    from review.sealed_event e join tenancy.tenant t on t.id = e.tenant_id left join tenancy.users u on u.id = e.user_id left join f on f.event_id = e.event_id left join tenancy.record r on r.record_id = e.record_id and r.record_table = e.record_table and r.tenant_id = e.tenant_id
    where e.tenant_id = any ((s).tenants) and e.purpose = 'break_glass' and e.recorded_at >= (s).from_at and e.recorded_at < (s).to_at and e.sealed_at <= (s).as_of order by e.recorded_at, e.event_id) x
$$;
-- 164.308(a)(1)(ii)(C): for who closes anomalies, hence may know of sanctions. And the two lists of 164.402.
create function review.closed_as(s review.bundle_scope, wanted text) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select a.id as anomaly_id, a.tenant, a.rule_id, a.actor, a.subject_id, a.created_at as found_at,
      coalesce((select p.discovered_on from review.discovery p join review.discovery y on y.answers = p.id and y.accepted and y.at <= (s).as_of where p.anomaly_id = a.id order by y.id desc limit 1), (a.created_at at time zone 'UTC')::date) as discovered_on,
      a.closed_at, a.closed_by, a.approved_at, a.approved_by, a.close_reason as reason, (select string_agg(v.field || '=' || v.value, '; ' order by v.field) from review.disposition_value v where v.anomaly_id = a.id
        and v.version = (select max(w.version) from review.disposition_value w where w.anomaly_id = a.id and w.at <= (s).as_of)) as fields,
      f.nature, f.recipient, f.acquired, f.mitigated, f.outcome as assessed_as, u.slug as assessed_by, f.at as assessed_at, f.event_id as assessment_event_id,
      (select string_agg(n.duty || ' ' || n.made_on || ' ' || n.reference || ' (event ' || n.event_id || ')', '; ' order by n.id) from review.notice n where n.anomaly_id = a.id and n.at <= (s).as_of) as notices, a.evidence_event_ids, a.decision_event_ids
    from review.anomalies_as_of(s) a left join lateral (select y.* from review.assessment y where y.anomaly_id = a.id and y.at <= (s).as_of order by y.id desc limit 1) f on true left join tenancy.users u on u.id = f.by_user
    where a.state = 'closed' and a.disposition = wanted and a.closed_at >= (s).from_at and a.closed_at < (s).to_at order by a.closed_at, a.id) x
$$;
create function review.evidence_308a1iiC_sanctions(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select x from review.closed_as(s, 'policy_violation_no_breach') x where review.may_everywhere((s).who, (s).tenants, 'close') $$;
create function review.evidence_402_low_probability(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$ select x from review.closed_as(s, 'impermissible_low_probability') x $$;
create function review.evidence_402_breaches(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$ select x from review.closed_as(s, 'breach') x $$;
create function review.evidence_316b2i_oldest(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (
    select 'event in the database' as kind, t.slug as tenant, e.recorded_at as oldest_at, e.event_id, null::uuid as run_id, t.retain_years from tenancy.tenant t join lateral (select y.recorded_at, y.event_id from review.sealed_event y where y.tenant_id = t.id and y.sealed_at <= (s).as_of order by y.recorded_at, y.event_id limit 1) e on true where t.id = any ((s).tenants)
    union all select 'row of the chain', t.slug, c.sealed_at, c.event_id, null, t.retain_years from tenancy.tenant t join lateral (select y.sealed_at, y.event_id from audit.chain y where y.tenant_id = t.id and y.sealed_at <= (s).as_of order by y.seq limit 1) c on true where t.id = any ((s).tenants)
    union all select 'anomaly', a.tenant, min(a.created_at), null, null, null from review.anomalies_as_of(s) a group by a.tenant
    union all (select 'run of a rule', null, r.finished_at, r.recorded_as, r.run_id, null from review.run r where r.finished_at <= (s).as_of order by r.finished_at, r.run_id limit 1)
  ) x order by x.kind, x.tenant collate "C"
$$;
create function review.evidence_316b2i_prunes(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select to_char(p.month, 'YYYY-MM') as month, p.at, p.rows, encode(p.digest, 'hex') as digest, array_to_string(p.parts, ' ') as parts, p.head_size as archive_log_size, p.request as request_event_id, p.event_id
    from audit.pruned p where p.at <= (s).as_of and tenancy.installation() = any ((s).tenants) order by p.month) x
$$;
create function review.evidence_316b2i_rules(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select l.rule_id, l.version, l.content_hash, l.at as in_force_since, lead(l.at) over (partition by l.rule_id order by l.id) as in_force_until, array_to_string(l.missing, ' ') as missing, l.front_matter::text as front_matter,
      (select min(r.recorded_as) from review.run r where r.rule_id = l.rule_id and r.content_hash = l.content_hash and r.finished_at <= (s).as_of) as first_run_event_id
    from review.rule_log l where l.at <= (s).as_of order by l.rule_id collate "C", l.id) x
$$;
-- The history of another system. Whoever imports says what somebody else's log says: an event names the system and the import, its source is import and its recorded_at
-- the database's, whatever was sent. Reviewers cannot; an administrator can, who in turn reviews nothing.
create function audit.import_begin(import uuid, tenant text, system text, file bytea, reason text, dry_run boolean) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('import'); t uuid := tenancy.tenant_named(tenant, 'import'); e bigint;
begin
  if system is null or system !~ '^[a-z0-9][a-z0-9._-]{0,39}$' then raise exception 'a system has a short name of a-z, 0-9, dot, dash and underscore' using errcode = '22023'; end if;
  e := audit.write(t, 'import', 'ok', jsonb_build_object('what', 'history', 'import', import, 'system', system, 'file', encode(file, 'hex'), 'dry_run', dry_run, 'reason', review.need_reason(reason))::text, null, null, null, 'audit', import);
  if not dry_run then insert into audit.import (id, tenant_id, system, file, started_by, event_id) values (import, t, import_begin.system, import_begin.file, who, e); end if;
  perform audit.remember(import, 'import', null, '{}', (select review_lease from tenancy.setting), t);
  -- how far an earlier import of the same file came
  return jsonb_build_object('event_id', e, 'tenant_id', t, 'upto_line', (select coalesce(max(b.upto_line), 0) from audit.import i join audit.import_batch b on b.import_id = i.id where i.tenant_id = t and i.system = import_begin.system and i.file = import_begin.file));
end $$;
-- Which of these names (short names or ids) are users that are, or were, members of the clinic. Under the import's own, committed event.
create function audit.import_actors(actors text[]) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('import');
begin
  perform tenancy.reviewer('import', a.tenant_id);
  if cardinality(actors) > 5000 then raise exception 'at most 5,000 at a time' using errcode = '22023'; end if;
  return (select coalesce(jsonb_object_agg(x, u.id), '{}') from unnest(actors) x join tenancy.users u on u.slug = x or u.id::text = x where exists (select from tenancy.membership m where m.user_id = u.id and m.tenant_id = a.tenant_id));
end $$;
-- Ids of another system that are no uuids: a keyed hash, since a short number could be guessed from a plain one.
create function audit.foreign_id(tenant uuid, system text, id text) returns uuid language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select case when id is null then null when id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then id::uuid else left(tenancy.fingerprint(concat_ws('|', 'import', tenant, system, id)), 32)::uuid end
$$;
create function audit.import_events(import uuid, upto_line bigint, rows jsonb) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('import'); i audit.import; bad bigint; n int; added int; e bigint;
begin
  select * into i from audit.import x where x.id = import and x.started_by = who;
  if i.id is null then raise exception 'no import of yours has this id' using errcode = '02000'; end if;
  perform tenancy.reviewer('import', i.tenant_id);
  n := jsonb_array_length(rows);
  if n not between 1 and 5000 then raise exception 'a batch is 1 to 5,000 events' using errcode = '22023'; end if;
  -- what ward's own reviewers and worker do is not for others to claim
  select min(o) into bad from jsonb_array_elements(rows) with ordinality y(x, o) where coalesce(x->>'source', '') = '' or coalesce(x->>'action', '') not in ('view', 'create', 'modify', 'delete', 'export', 'search', 'sign_in', 'sign_out')
    or coalesce(x->>'outcome', '') not in ('ok', 'denied') or x->>'at' is null or (x->>'at')::timestamptz not between '1990-01-01' and clock_timestamp() + interval '5 minutes'
    or x->>'table' !~ '^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$' or octet_length(x::text) > 8000
    or x->>'user' is not null and not exists (select from tenancy.membership m where m.user_id = (x->>'user')::uuid and m.tenant_id = i.tenant_id);
  if bad is not null then raise exception 'event % of this batch is not one that can be imported: action, outcome, time, table or user', bad using errcode = '22023'; end if;
  with r as (select distinct on (1) sha256(convert_to(x->>'source', 'utf8')) as source, x, o from jsonb_array_elements(rows) with ordinality y(x, o) order by 1, o),
  fresh as (insert into audit.imported as p (tenant_id, system, source, import_id) select i.tenant_id, i.system, r.source, i.id from r order by r.source on conflict do nothing returning p.source),
  done as (
    insert into audit.event (tenant_id, occurred_at, user_id, actor_kind, membership_id, action, outcome, record_table, record_id, subject_id, purpose, detail, source)
    select i.tenant_id, (x->>'at')::timestamptz, u.id, coalesce(u.kind, 'unknown'),
      (select m.id from tenancy.membership m where m.tenant_id = i.tenant_id and m.user_id = u.id order by m.started_at <= (x->>'at')::timestamptz desc, abs(extract(epoch from m.started_at - (x->>'at')::timestamptz)), m.id limit 1),
      x->>'action', x->>'outcome', x->>'table', audit.foreign_id(i.tenant_id, i.system, x->>'record'), audit.foreign_id(i.tenant_id, i.system, x->>'patient'), x->>'purpose',
      jsonb_strip_nulls(jsonb_build_object('system', i.system, 'import', i.id, 'id', encode(r.source, 'hex'), 'actor', case when u.id is null then x->>'actor' end, 'client', x->>'client', 'server', x->>'server',
        'owner_tenant', coalesce((select t.slug from tenancy.tenant t where t.slug = x->>'owner' or t.id::text = x->>'owner'), x->>'owner')))::text, 'import'
    from r join fresh f using (source) left join tenancy.users u on u.id = (x->>'user')::uuid order by o returning 1)
  select count(*) into added from done;
  e := audit.write(i.tenant_id, 'backfill', 'ok', jsonb_build_object('import', i.id, 'system', i.system, 'upto_line', upto_line, 'added', added, 'seen', n - added)::text, null, null, null, 'audit');
  insert into audit.import_batch (import_id, upto_line, added, seen, event_id) values (i.id, import_events.upto_line, added, n - added, e);
  return jsonb_build_object('added', added, 'seen', n - added);
end $$;
-- Events leave in the form of another system: the form is on record, and with it whether patients go by their own ids. form: {"format", "system", "raw_patient_ids"}.
create function audit.export_as(ask uuid, filter jsonb, form jsonb) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('events'); f jsonb := audit.checked_filter(filter);
begin
  perform tenancy.reviewer('export', a.tenant_id);
  perform audit.write(a.tenant_id, 'export', 'ok', (jsonb_build_object('screen', 'events', 'filter', f) || form)::text, null, null, null, 'audit', ask);
  perform audit.remember(ask, 'events', null, jsonb_build_object('filter', f, 'reason', a.payload->>'reason', 'form', form), a.expires_at - clock_timestamp(), a.tenant_id);
end $$;
-- Roles of the clinic's memberships, and names for patients by which the receiving system knows them and no other does.
create function audit.export_names(memberships uuid[], patients uuid[]) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('events');
begin
  if cardinality(memberships) > 5000 or cardinality(patients) > 10000 then raise exception 'too many at a time' using errcode = '22023'; end if;
  return jsonb_build_object('tenant_id', a.tenant_id, 'region', tenancy.region_here(), 'roles', (select coalesce(jsonb_object_agg(m.id, m.role), '{}') from tenancy.membership m where m.tenant_id = a.tenant_id and m.id = any (memberships)),
    'patients', (select coalesce(jsonb_object_agg(p, tenancy.fingerprint(concat_ws('|', 'export', a.payload->'form'->>'system', a.tenant_id, p))), '{}') from unnest(patients) p));
end $$;
-- +goose StatementEnd
grant execute on function review.evidence_begin, review.evidence_scope, review.evidence_rows, review.evidence_end, review.certify, review.approve_certification, review.browse_certifications, review.certifications,
  audit.import_begin, audit.import_actors, audit.import_events, audit.export_as, audit.export_names to ward_reviewer;
reset role;
