-- The chain: every committed event's place in its tenant's history. Written by the sealer, which runs as ward_worker; append-only like the events.

-- +goose Up
set local role ward_owner;

create table audit.chain (
  tenant_id   uuid not null,
  seq         bigint not null check (seq > 0),
  event_id    bigint not null,
  recorded_at timestamptz not null,
  batch       bigint not null,          -- what was sealed together; rules read by it, since a late row is in a later batch
  sealed_at   timestamptz not null,
  nonce       bytea not null check (length(nonce) = 16),  -- random: without it, a proof's hashes of other rows could confirm a guess of what those say
  hash        bytea not null check (length(hash) = 32),
  primary key (tenant_id, seq)
);
create unique index chain_event on audit.chain (event_id);
create index chain_batch on audit.chain (batch, tenant_id, seq);
create trigger append_only before update or delete on audit.chain for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on audit.chain for each statement execute function audit.append_only();
alter table audit.chain enable always trigger append_only;
alter table audit.chain enable always trigger append_only_truncate;
grant select, insert on audit.chain to ward_worker;

-- Where the sealer stands: which transactions it has seen (a snapshot), and whose turn it is (the epoch fences a leader that lost the lock).
create table audit.seal_state (
  one      boolean primary key default true check (one),
  epoch    bigint not null default 0,
  batch    bigint not null default 0,
  snapshot pg_snapshot,
  -- the server that snapshot is of: on another one (a dump that was restored) its transaction numbers mean nothing
  cluster  text,
  -- no batch is sealed at an earlier time: the months before it may be closed
  floor    timestamptz not null default '-infinity'
);
insert into audit.seal_state default values;
grant select, update on audit.seal_state to ward_worker;

-- Where a tenant's chain goes on after the database lost rows that the archive has, or that a published chain head names. The lost rows' places stay empty here.
create table audit.resume (
  tenant_id uuid not null,
  seq       bigint not null check (seq > 0),
  hash      bytea not null check (length(hash) = 32),
  sealed_at timestamptz not null,
  event_id  bigint not null,            -- the administrator's order
  primary key (tenant_id, seq)
);
create trigger append_only before update or delete on audit.resume for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on audit.resume for each statement execute function audit.append_only();
alter table audit.resume enable always trigger append_only;
alter table audit.resume enable always trigger append_only_truncate;
grant select, insert on audit.resume to ward_worker;
-- The last row of every tenant's chain, wherever it stands.
create function audit.chain_head(tenant uuid, out seq bigint, out hash bytea, out sealed_at timestamptz) returns setof record language sql stable set search_path = pg_catalog, pg_temp as $$
  select h.seq, h.hash, h.sealed_at from (
    (select c.seq, c.hash, c.sealed_at from audit.chain c where c.tenant_id = tenant order by c.seq desc limit 1)
    union all
    (select r.seq, r.hash, r.sealed_at from audit.resume r where r.tenant_id = tenant order by r.seq desc limit 1)) h
  order by h.seq desc limit 1
$$;
revoke execute on function audit.chain_head from public;
grant execute on function audit.chain_head to ward_worker;

-- The worker's own events carry the service account ward-worker.
-- +goose StatementBegin
create function audit.write_worker(tenant uuid, action text, detail text) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare id bigint;
begin
  if action not in ('rule_run', 'ship', 'seal_recover', 'prune', 'verify') then raise exception 'the worker does not %', action using errcode = '42501'; end if;
  insert into audit.event (tenant_id, user_id, actor_kind, action, detail)
  values (coalesce(tenant, tenancy.installation()), (select u.id from tenancy.users u where u.slug = 'ward-worker'), 'service', action, detail) returning event_id into id;
  return id;
end $$;

-- Which asked ids were another clinic's, which, for a portal identity, another patient's, and which nobody's: found afterwards from keys alone, over what has been sealed since the last time, and
-- written as denied. Returns how many.
create table audit.classified (one boolean primary key default true check (one), batch bigint not null default 0);
insert into audit.classified default values;
create function audit.classify() returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare last bigint; upto bigint; n int;
begin
  select batch into last from audit.classified for update;
  select batch into upto from audit.seal_state;
  if upto <= last then return 0; end if;
  insert into audit.event (tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, outcome, record_table, record_id, purpose, detail)
  select e.tenant_id, e.user_id, e.actor_kind, e.session_id, e.membership_id, e.disclosure_id, e.action, 'denied', e.record_table, e.record_id, e.purpose,
    jsonb_build_object('event', e.event_id, 'reason', case when h.record_id is not null then 'the record belongs to another patient' when o.record_id is not null then 'the record belongs to another clinic' else 'no such record' end)::text
  from audit.chain c join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
    left join lateral (select r.record_id from tenancy.record r where r.record_id = e.record_id and r.record_table = e.record_table and r.tenant_id <> e.tenant_id limit 1) o on true
    left join tenancy.record h on h.record_id = e.record_id and h.record_table = e.record_table and h.tenant_id = e.tenant_id
    left join tenancy.membership m on m.id = e.membership_id
  where c.batch > last and c.batch <= upto and e.action in ('view', 'export') and e.outcome = 'ok' and e.record_id is not null and e.source = 'ward'
    and (h.record_id is null or m.patient_id is not null and h.subject_id is distinct from m.patient_id);
  get diagnostics n = row_count;
  update audit.classified set batch = upto;
  return n;
end $$;

-- Asks that have run out; the worker removes them now and then.
create function audit.forget_asks() returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare n int;
begin
  delete from audit.ask where expires_at < clock_timestamp() - interval '1 minute';
  get diagnostics n = row_count;
  return n;
end $$;

-- Notes the time, every second. Where the server's clock has gone back, by more than 5 seconds, tokens and sign-ins have been refused since; now whatever ends by the clock is
-- moved back by as much, so that what had ended stays so and what was open has the time left that it had. The access tokens, whose ends are written in them, are
-- worth nothing any more: a refresh gives new ones. Codes of second factors stay used up until the clock is past them again. Returns by how many seconds, 0 as a rule.
create function tenancy.tick() returns float8 language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare n timestamptz; seen timestamptz; back interval; kid text;
begin
  select i.seen_at into seen from tenancy.instance i where i.one for update;
  n := clock_timestamp();
  if n >= seen - interval '5 seconds' or seen is null then
    update tenancy.instance i set seen_at = n where i.one and i.seen_at < n;
    return 0;
  end if;
  back := seen - n;
  -- rows that a client's open transaction holds are not waited for
  update tenancy.session x set expires_at = x.expires_at - back where x.session_id in (select s.session_id from tenancy.session s where s.revoked_at is null for no key update skip locked);
  update tenancy.users x set sessions_after = x.sessions_after - back where x.sessions_after is not null;
  update tenancy.reviewer_grant x set starts_at = x.starts_at - back, expires_at = x.expires_at - back where x.ended_at is null and x.expires_at is not null;
  update tenancy.service_secret x set expires_at = x.expires_at - back where x.ended_at is null;
  update tenancy.refresh_token x set issued_at = x.issued_at - back, used_at = x.used_at - back where x.sha256 in (select r.sha256 from tenancy.refresh_token r for no key update skip locked);
  update tenancy.throttle x set level_at = x.level_at - back, until = x.until - back, forget_at = x.forget_at - back where x.key in (select t.key from tenancy.throttle t for no key update skip locked);
  update tenancy.attempt x set tried_at = x.tried_at - back where x.ticket in (select a.ticket from tenancy.attempt a for no key update skip locked);
  update audit.ask x set expires_at = x.expires_at - back;
  kid := tenancy.rotate_key(interval '0');
  update tenancy.instance i set seen_at = n where i.one;
  insert into audit.event (tenant_id, user_id, actor_kind, action, detail)
  values (tenancy.installation(), (select u.id from tenancy.users u where u.slug = 'ward-worker'), 'service', 'revoke',
    jsonb_build_object('what', 'the server''s clock went back: every access token ends', 'seconds', round(extract(epoch from back), 3), 'was', seen, 'kid', kid)::text);
  return extract(epoch from back);
end $$;
-- The answer to whoever signs in or refreshes between a step back and the worker's next tick.
create function tenancy.clock_is_behind() returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select clock_timestamp() < i.seen_at - interval '5 seconds' from tenancy.instance i
$$;
-- +goose StatementEnd
grant execute on function audit.write_worker, audit.classify, audit.forget_asks, tenancy.tick to ward_worker;
grant execute on function tenancy.region_here, tenancy.installation to ward_worker;
grant select on audit.classified to ward_worker;

-- A reviewer's verification: begun (and recorded) before anything is shown, its result after.
create table audit.verification (
  id          uuid primary key,
  user_id     uuid not null references tenancy.users,
  started_at  timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  store       text not null,
  region      text,                           -- null: every region of the store
  tenant      uuid,                           -- null: every clinic
  months      text[] not null default '{}',   -- empty: all
  verdict     text check (verdict in ('valid', 'INVALID', 'not proven')),
  head_size   bigint,
  breaks      int,
  by_workers  boolean not null default false, -- workers recomputed rows: the verdict takes their word for those
  found       jsonb not null default '{}'     -- what was not valid: {"REGION/YYYY-MM": verdict}; "" is what is about no month
);
reset role;
