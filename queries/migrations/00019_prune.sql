-- Pruning: a month of events leaves the database when the archive holds all of it. An administrator asks, the worker reconciles and drops, and the
-- database repeats what it can check for itself. The chain's rows stay: they say of every event where in the archive it is (tenant and seq), keep one event
-- from being sealed twice, and hold nothing of what it said.

-- +goose Up
set local role ward_owner;
insert into tenancy.reviewer_action values ('administrator', 'prune');
-- Whole months that must have passed since a month's end.
alter table tenancy.setting add column prune_after int not null default 3 check (prune_after >= 1);

-- The months that only the archive has.
create table audit.pruned (
  month     date primary key check (month = date_trunc('month', month)),
  request   bigint not null unique,        -- the administrator's event
  event_id  bigint not null,               -- the worker's
  rows      bigint not null,
  digest    bytea not null,                -- over the rows as they were dropped
  parts     text[] not null,               -- which hold them
  head_size bigint not null,               -- how far the archive's log reached: a shorter one has been rolled back
  at        timestamptz not null default clock_timestamp()
);
create trigger append_only before update or delete on audit.pruned for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on audit.pruned for each statement execute function audit.append_only();
alter table audit.pruned enable always trigger append_only;
alter table audit.pruned enable always trigger append_only_truncate;
grant select on audit.pruned to ward_worker;

-- What the worker found out for the reviewer who asked.
create table audit.answer (
  request bigint primary key,
  state   text not null check (state in ('done', 'refused', 'failed')),
  report  jsonb not null,
  at      timestamptz not null default clock_timestamp()
);
create trigger append_only before update or delete on audit.answer for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on audit.answer for each statement execute function audit.append_only();
alter table audit.answer enable always trigger append_only;
alter table audit.answer enable always trigger append_only_truncate;
grant select, insert on audit.answer to ward_worker;

-- +goose StatementBegin
-- Everything of a month's events, chain and content; and how many of them the chain lacks. Two calls agree only if no row has changed in between.
create function audit.month_digest(month date, out rows bigint, out unsealed bigint, out newest_batch bigint, out digest bytea) language sql stable security definer
  set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' as $$
  with x as (
    select c.batch, c.event_id is null as unsealed, sha256(coalesce(c.hash, '') || convert_to(e::text, 'UTF8')) as hash, row_number() over (order by c.tenant_id, c.seq, e.event_id) as n
    from audit.event e left join audit.chain c on c.event_id = e.event_id and c.recorded_at = e.recorded_at and c.tenant_id = e.tenant_id
    where e.recorded_at >= month::timestamp at time zone 'UTC' and e.recorded_at < (month + interval '1 month') at time zone 'UTC'
  ), piece as ( -- so that no value grows with the month
    select x.n / 10000 as i, count(*) as rows, count(*) filter (where x.unsealed) as unsealed, max(x.batch) as newest_batch, sha256(string_agg(x.hash, '' order by x.n)) as hash from x group by 1
  )
  select coalesce(sum(p.rows), 0)::bigint, coalesce(sum(p.unsealed), 0)::bigint, coalesce(max(p.newest_batch), 0), sha256(coalesce(string_agg(p.hash, '' order by p.i), '')) from piece p
$$;

-- Is this month one that may be pruned? Raises why not. What it says of the archive, the worker knows.
create function audit.may_prune(month date) returns void language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare child text := 'event_' || to_char(month, 'YYYY_MM'); oldest text; until timestamptz; after int := (select s.prune_after from tenancy.setting s);
begin
  if exists (select from audit.pruned p where p.month = may_prune.month) then raise exception 'the events of % are pruned already', to_char(month, 'YYYY-MM') using errcode = '55000'; end if;
  until := (month + interval '1 month' * (after + 1)) at time zone 'UTC';
  if until > clock_timestamp() then
    raise exception 'the events of % may be pruned from % on', to_char(month, 'YYYY-MM'), to_char(until at time zone 'UTC', 'YYYY-MM-DD') using errcode = '55000',
      hint = format('tenancy.setting.prune_after keeps a month for %s months after its end', after);
  end if;
  select min(c.relname) into oldest from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'audit.event'::regclass and c.relname ~ '^event_[0-9]{4}_[0-9]{2}$';
  if oldest is distinct from child then
    raise exception '% is not the oldest month of the database, which is %', to_char(month, 'YYYY-MM'), replace(substr(oldest, 7), '_', '-') using errcode = '55000', hint = 'months are pruned from the oldest on, so that the archive takes over at one place';
  end if;
end $$;
create function audit.prunes(who uuid) returns boolean language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from tenancy.reviewer_grant g join tenancy.reviewer_action a on a.role = g.role and a.action = 'prune' join tenancy.users u on u.id = g.user_id
    where g.user_id = who and g.tenant_id is null and u.disabled_at is null and g.ended_at is null and g.starts_at <= clock_timestamp() and (g.expires_at is null or g.expires_at > clock_timestamp()))
$$;

-- Asks the worker to prune a month, or (dry_run) to say whether it would. The event is the administrator's.
create function audit.request_prune(month text, reason text, dry_run boolean, unlocked_store boolean) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('prune'); first date; e bigint; args jsonb;
begin
  if not audit.prunes(who) then raise exception 'a month holds every clinic''s events: pruning it needs a grant over all clinics' using errcode = '42501'; end if;
  if month !~ '^[0-9]{4}-(0[1-9]|1[0-2])$' then raise exception '"%" is not a month: YYYY-MM', month using errcode = '22023'; end if;
  first := (month || '-01')::date;
  perform audit.may_prune(first);
  args := jsonb_build_object('month', month, 'dry_run', dry_run, 'unlocked_store', unlocked_store);
  e := audit.write(tenancy.installation(), 'prune', 'ok', (args || jsonb_build_object('what', 'request', 'reason', review.need_reason(reason)))::text, null, null, null, 'audit');
  insert into river.river_job (args, kind, max_attempts, queue, state) values (args || jsonb_build_object('requested_by', who, 'event_id', e), 'prune', 3, 'archive', 'available');
  return e;
end $$;
-- Asks the worker to hold the live events against the archive: only it may read every clinic's events.
create function audit.request_live() returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('verify'); e bigint;
begin
  e := audit.write(tenancy.installation(), 'verify', 'ok', '{"what": "live"}', null, null, null, 'audit');
  insert into river.river_job (args, kind, max_attempts, queue, state) values (jsonb_build_object('requested_by', who, 'event_id', e), 'verify_live', 3, 'archive', 'available');
  return e;
end $$;
-- The worker's answer to the reviewer's own request, or null until there is one: the answer to something recorded, hence no event of its own.
create function audit.answered(request bigint) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewing();
begin
  return (select jsonb_build_object('state', a.state, 'report', a.report) from audit.answer a join river.river_job j on (j.args ->> 'event_id')::bigint = a.request and j.queue = 'archive'
    where a.request = answered.request and j.args ->> 'requested_by' = who::text);
end $$;

-- Drops a month. ward_worker alone cannot: an administrator over all clinics has asked for this month within a day, and asked for more than a trial.
-- rows and digest are what the worker reconciled with the archive; the partition must still be that. All in the one transaction of the prune event.
create function audit.prune_month(request bigint, expected_rows bigint, expected_digest bytea, parts text[], head_size bigint) returns bigint language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp set lock_timeout = '10s' as $$
declare r audit.event; d record; first date; child text; behind text; id bigint;
begin
  perform pg_advisory_xact_lock(hashtext('ward audit months'));
  select * into r from audit.event e where e.event_id = request and e.recorded_at > clock_timestamp() - interval '1 day' and e.action = 'prune' and e.outcome = 'ok' and e.actor_kind = 'human';
  if not found or r.detail::jsonb->>'what' is distinct from 'request' or (r.detail::jsonb->>'dry_run')::boolean is not false or not audit.prunes(r.user_id) then
    raise exception 'nobody who may has asked for this within a day' using errcode = '42501', hint = 'ward archive prune MONTH, as an administrator over all clinics';
  end if;
  first := (r.detail::jsonb->>'month' || '-01')::date;
  child := 'event_' || to_char(first, 'YYYY_MM');
  perform audit.may_prune(first);
  execute format('lock table audit.%I in share mode', child);
  select * into d from audit.month_digest(first);
  if d.unsealed > 0 then raise exception '% events of % have no place in the chain', d.unsealed, to_char(first, 'YYYY-MM') using errcode = '55000'; end if;
  if d.rows is distinct from expected_rows or d.digest is distinct from expected_digest then
    raise exception 'the events of % have changed since they were reconciled with the archive', to_char(first, 'YYYY-MM') using errcode = '55000';
  end if;
  if d.rows > 0 and coalesce(cardinality(parts), 0) = 0 then raise exception 'no part is named' using errcode = '22023'; end if;
  behind := audit.not_read(d.newest_batch);
  if behind is not null then raise exception '%', behind using errcode = '55000'; end if;
  execute format('alter table audit.event detach partition audit.%I', child);
  execute format('drop table audit.%I', child);
  id := audit.write_worker(null, 'prune', jsonb_build_object('what', 'pruned', 'request', request, 'month', to_char(first, 'YYYY-MM'), 'rows', d.rows, 'digest', encode(d.digest, 'hex'), 'parts', parts, 'head', head_size)::text);
  insert into audit.pruned (month, request, event_id, rows, digest, parts, head_size) values (first, request, id, d.rows, d.digest, parts, head_size);
  return id;
end $$;
-- Who has not read the events up to a batch: what was never looked at must not go. A rule that has not run for thirty days is retired.
create function audit.not_read(batch bigint) returns text language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce((select 'the asked ids of this month are not classified yet' from audit.classified c where c.batch < not_read.batch),
    (select 'rules have not read this month yet: ' || string_agg(r.id, ', ' order by r.id) from review.rule r
      where r.missing = '{}' and r.kind <> 'watch' and r.cursor_batch < not_read.batch and (r.last_run_at is null or r.last_run_at > clock_timestamp() - interval '30 days')))
$$;

-- What a reviewer needs in order to read on in the archive, under an open lease: whose rows, by which filter, up to when, and how far the archive must reach.
create function audit.archive_lease() returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('events'); f jsonb := a.payload->'filter';
begin
  return (select jsonb_build_object('tenant_id', a.tenant_id, 'region', tenancy.region_here(), 'filter', f, 'head_size', coalesce(max(p.head_size), 0),
      'before', (max(p.month) + interval '1 month') at time zone 'UTC',
      'subject_records', case when f ? 'subject_id' then (select coalesce(jsonb_agg(r.record_table || ' ' || r.record_id), '[]') from tenancy.record r where r.tenant_id = a.tenant_id and r.subject_id = (f->>'subject_id')::uuid) end)
    from audit.pruned p);
end $$;
-- Names for rows that come from the archive: short names of users, patients of the leased clinic's records.
create function audit.archive_names(users uuid[], records uuid[]) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('events');
begin
  if cardinality(users) > 5000 or cardinality(records) > 5000 then raise exception 'at most 5,000 at a time' using errcode = '22023'; end if;
  return jsonb_build_object('users', (select coalesce(jsonb_object_agg(u.id, u.slug), '{}') from tenancy.users u where u.id = any (archive_names.users)),
    'records', (select coalesce(jsonb_object_agg(r.record_table || ' ' || r.record_id, r.subject_id), '{}') from tenancy.record r where r.tenant_id = a.tenant_id and r.record_id = any (archive_names.records) and r.subject_id is not null));
end $$;
-- +goose StatementEnd
grant execute on function audit.month_digest, audit.may_prune, audit.not_read, audit.prune_month to ward_worker;
grant execute on function audit.request_prune, audit.request_live, audit.answered, audit.archive_lease, audit.archive_names to ward_reviewer;
reset role;
