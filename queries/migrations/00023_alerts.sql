-- Who is told: an outbox of alerts, written in the transaction of what they tell of, and their deliveries to targets outside. An alert has ids, words of
-- ward's own and dates of ward's own work; no patient, no user, no text that anybody typed: a target is outside the BAA boundary.

-- +goose Up
set local role ward_owner;

-- The targets of the workers' settings, without addresses and secrets. One that no worker has named for an hour is told nothing new.
create table review.alert_target (
  name     text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  kind     text not null check (kind in ('webhook', 'mail')),
  severity text not null check (severity in ('critical', 'high', 'medium', 'low')),  -- of the anomalies it is told of, at least; clocks and lateness go to all
  digest   boolean not null,
  seen_at  timestamptz not null default clock_timestamp()
);
-- One for each matter, whoever finds it and however often.
create table review.alert (
  id         uuid primary key default gen_random_uuid(),
  matter     text not null unique,
  kind       text not null check (kind in ('anomaly', 'clock', 'late', 'failing', 'digest')),
  tenant_id  uuid not null references tenancy.tenant,
  anomaly_id uuid references review.anomaly,
  severity   text not null check (severity in ('critical', 'high', 'medium', 'low')),
  content    jsonb not null,
  created_at timestamptz not null default clock_timestamp()
);
create index alert_newest on review.alert (created_at desc, id);
create trigger append_only before update or delete on review.alert for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on review.alert for each statement execute function audit.append_only();
create table review.delivery (
  id         uuid primary key default gen_random_uuid(),  -- what the receiver knows a repetition by
  alert_id  uuid not null references review.alert,
  target     text not null references review.alert_target,
  state      text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
  attempts   int not null default 0,
  error      text,                                        -- of the last attempt, in ward's words: what the receiver said is not kept
  created_at timestamptz not null default clock_timestamp(),
  done_at    timestamptz,
  event_id   bigint,
  unique (alert_id, target),
  constraint done_says_when check ((state = 'waiting') = (done_at is null) and (state = 'waiting' or event_id is not null))
);
create index delivery_waiting on review.delivery (created_at) where state = 'waiting';
create index delivery_failed on review.delivery (done_at) where state = 'failed';
create trigger no_delete before delete on review.delivery for each row execute function tenancy.no_delete();
create trigger no_truncate before truncate on review.delivery for each statement execute function tenancy.no_delete();

-- The clocks that run: the earliest legal date by which somebody must be notified (review.duties), for whatever may yet turn out to be a breach, and for a breach until every notice is made.
create view review.clock as
  select a.id as anomaly_id, a.tenant_id, a.discovered_on, a.due_on
  from review.anomaly a where a.due_on < 'infinity' and a.tier <> 'S' and (a.open or a.disposition = 'breach');

-- +goose StatementBegin
create function review.rank_of(severity text) returns int language sql immutable set search_path = pg_catalog, pg_temp as $$
  select array_position(array['critical', 'high', 'medium', 'low'], severity)
$$;
-- Enters an alert and its deliveries, unless the matter has one. An anomaly that nobody wants to hear of leaves none, except a critical one: then the list says that nobody was told.
create function review.tell(matter text, kind text, tenant uuid, anomaly uuid, severity text, content jsonb, except_target text default null) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare n uuid; names text[];
begin
  select coalesce(array_agg(t.name), '{}') into names from review.alert_target t
  where t.seen_at > clock_timestamp() - interval '1 hour' and t.name is distinct from except_target
    and case tell.kind when 'anomaly' then review.rank_of(tell.severity) <= review.rank_of(t.severity) when 'digest' then t.digest else true end;
  if names = '{}' and tell.severity <> 'critical' then return null; end if;
  insert into review.alert (matter, kind, tenant_id, anomaly_id, severity, content) values (tell.matter, tell.kind, tenant, anomaly, tell.severity, tell.content) on conflict do nothing returning id into n;
  insert into review.delivery (alert_id, target) select n, x from unnest(names) x where n is not null;
  return n;
end $$;
-- In the transaction that makes the anomaly. What is late is a rule's id, or "sealing"; anything else that stood there would be somebody's text.
create function review.tell_anomaly() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform review.tell('anomaly/' || new.id, case when new.rule_id = 'S02-late-rule' then 'late' else 'anomaly' end, new.tenant_id, new.id, new.severity,
    jsonb_strip_nulls(jsonb_build_object('rule_id', new.rule_id, 'tier', new.tier, 'found_at', new.created_at,
      'what', case when new.rule_id = 'S02-late-rule' and (new.facts->>'what' = 'sealing' or exists (select from review.rule r where r.id = new.facts->>'what')) then new.facts->>'what' end)));
  return null;
end $$;
-- +goose StatementEnd
create trigger tell after insert on review.anomaly for each row when (new.state <> 'suppressed') execute function review.tell_anomaly();
create trigger tell_released after update of state on review.anomaly for each row when (old.state = 'suppressed' and new.state not in ('suppressed', 'closed', 'merged')) execute function review.tell_anomaly();

-- +goose StatementBegin
-- A worker names its targets, again and again. targets: [{"name", "kind", "severity", "digest"}]
create function review.name_targets(targets jsonb) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into review.alert_target (name, kind, severity, digest)
  select x.name, x.kind, x.severity, x.digest from jsonb_to_recordset(targets) x (name text, kind text, severity text, digest boolean) order by x.name
  on conflict (name) do update set kind = excluded.kind, severity = excluded.severity, digest = excluded.digest, seen_at = clock_timestamp()
$$;
-- Clocks under ten days, once, and once more when a clock has run out. Returns how many. Where nobody has decided anything yet and the severity is medium or low, the digest counts it:
-- a queue that nobody worked for seven weeks is one matter, not a thousand.
create function review.tell_clocks() returns int language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select count(review.tell(x.matter, 'clock', x.tenant_id, x.anomaly_id, 'critical',
    jsonb_build_object('rule_id', x.rule_id, 'tier', x.tier, 'found_at', x.created_at, 'discovered_on', x.discovered_on, 'due_on', x.due_on, 'days_left', x.due_on - review.today())))::int
  from (select c.*, a.rule_id, a.tier, a.created_at, case when c.due_on < review.today() then 'overdue/' else 'clock/' end || c.anomaly_id || '/' || c.due_on as matter
    from review.clock c join review.anomaly a on a.id = c.anomaly_id where c.due_on < review.today() + 10 and (a.severity in ('critical', 'high') or a.state = 'escalated' or a.disposition = 'breach')) x
  where not exists (select from review.alert n where n.matter = x.matter)
$$;
-- The suppressions that end within two weeks, where this installation has any: what they hold back then comes to the queue.
create function review.suppressions_ending() returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if to_regclass('review.suppression') is null then return '[]'; end if;
  return (select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'rule_id', s.rule_id, 'tenant', t.slug, 'expires_at', s.expires_at) order by s.expires_at, s.id), '[]')
    from (select * from review.suppression x where x.approved_at is not null and x.ended_at is null and x.expires_at between clock_timestamp() and clock_timestamp() + interval '14 days' order by x.expires_at, x.id limit 50) s
      join tenancy.tenant t on t.id = s.tenant_id);
end $$;
-- What a day's digest says. since: the digest before it.
create function review.digest(since timestamptz) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  with open as (select a.*, t.slug from review.anomaly a join tenancy.tenant t on t.id = a.tenant_id where a.open),
    clocks as (select c.*, t.slug, c.due_on - review.today() as days_left from review.clock c join tenancy.tenant t on t.id = c.tenant_id where c.due_on < review.today() + 10)
  select jsonb_build_object('since', since,
    'open', jsonb_build_object('critical', count(*) filter (where o.severity = 'critical'), 'high', count(*) filter (where o.severity = 'high'), 'medium', count(*) filter (where o.severity = 'medium'),
      'low', count(*) filter (where o.severity = 'low'), 'new', count(*) filter (where o.created_at > since)),
    'tenants', coalesce((select jsonb_agg(to_jsonb(x) order by x.critical desc, x.high desc, x.medium desc, x.low desc, x.tenant) from (
      select q.slug as tenant, count(*) filter (where q.severity = 'critical') as critical, count(*) filter (where q.severity = 'high') as high, count(*) filter (where q.severity = 'medium') as medium,
        count(*) filter (where q.severity = 'low') as low from open q group by q.slug order by 2 desc, 3 desc, 4 desc, 5 desc, 1 limit 100) x), '[]'),
    'oldest', (select jsonb_build_object('tenant', q.slug, 'anomaly_id', q.id, 'rule_id', q.rule_id, 'severity', q.severity, 'found_at', q.created_at) from open q order by q.created_at, q.id limit 1),
    'clocks', coalesce((select jsonb_agg(to_jsonb(x)) from (select c.slug as tenant, c.anomaly_id, c.due_on, c.days_left from clocks c order by c.due_on, c.anomaly_id limit 50) x), '[]'),
    'clocks_overdue', (select count(*) from clocks c where c.days_left < 0), 'clocks_under_ten_days', (select count(*) from clocks c where c.days_left >= 0),
    'late', coalesce((select jsonb_agg(distinct q.facts->>'what') from open q where q.rule_id = 'S02-late-rule' and (q.facts->>'what' = 'sealing' or exists (select from review.rule r where r.id = q.facts->>'what'))), '[]'),
    'failed', coalesce((select jsonb_agg(to_jsonb(x)) from (select d.target, count(*) as alerts from review.delivery d where d.state = 'failed' and d.done_at > since group by d.target order by 1) x), '[]'),
    'waiting', (select count(*) from review.delivery d where d.state = 'waiting'), 'suppressions', review.suppressions_ending())
  from open o
$$;
-- The digest of a day, unless that day has one: null then. day is the date in the time zone of the settings.
create function review.tell_digest(day date) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare last timestamptz;
begin
  if exists (select from review.alert n where n.matter = 'digest/' || day) then return null; end if;
  select coalesce(max(n.created_at), clock_timestamp() - interval '1 day') into last from review.alert n where n.kind = 'digest' and n.created_at > clock_timestamp() - interval '35 days';
  return review.tell('digest/' || day, 'digest', tenancy.installation(), null, 'low', jsonb_build_object('day', day, 'digest', review.digest(last)));
end $$;

-- Deliveries that wait and have no job that lives: River's are delivered by whichever worker takes them.
create function review.due_deliveries(most int) returns setof uuid language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query select d.id from review.delivery d where d.state = 'waiting'
    and not exists (select from river.river_job j where j.kind = 'alert' and j.args @> jsonb_build_object('delivery', d.id) and j.state not in ('completed', 'cancelled', 'discarded'))
    order by d.created_at limit most;
end $$;
-- What is to be sent; null: it is not waiting any more.
create function review.message(delivery uuid) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select n.content || jsonb_build_object('id', d.id, 'alert_id', n.id, 'kind', n.kind, 'target', d.target, 'region', tenancy.region_here(), 'tenant', t.slug, 'anomaly_id', n.anomaly_id, 'severity', n.severity, 'created_at', n.created_at)
  from review.delivery d join review.alert n on n.id = d.alert_id join tenancy.tenant t on t.id = n.tenant_id where d.id = message.delivery and d.state = 'waiting'
$$;
create function review.delivery_event(d review.delivery, state text) returns bigint language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into audit.event (tenant_id, user_id, actor_kind, action, detail)
  select n.tenant_id, u.id, 'service', 'ship', jsonb_strip_nulls(jsonb_build_object('what', 'alert', 'state', delivery_event.state, 'alert', n.id, 'delivery', d.id, 'kind', n.kind, 'anomaly', n.anomaly_id, 'target', d.target,
    'attempts', d.attempts, 'error', case when delivery_event.state = 'failed' then d.error end))::text
  from review.alert n, tenancy.users u where n.id = d.alert_id and u.slug = 'ward-worker' returning event_id
$$;
-- The receiver has it. false: that was on record already.
create function review.delivered(delivery uuid) returns boolean language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare d review.delivery;
begin
  select * into d from review.delivery x where x.id = delivered.delivery and x.state = 'waiting' for update;
  if not found then return false; end if;
  d.attempts := d.attempts + 1;
  update review.delivery x set state = 'delivered', attempts = d.attempts, error = null, done_at = clock_timestamp(), event_id = review.delivery_event(d, 'delivered') where x.id = d.id;
  return true;
end $$;
-- An attempt failed; finally: it was the last one. Then the other targets are told, once a day, that this one is not reached.
create function review.undelivered(delivery uuid, why text, finally boolean) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare d review.delivery; n review.alert;
begin
  select * into d from review.delivery x where x.id = undelivered.delivery and x.state = 'waiting' for update;
  if not found then return; end if;
  d.attempts := d.attempts + 1;
  d.error := left(why, 200);
  if not finally then
    update review.delivery x set attempts = d.attempts, error = d.error where x.id = d.id;
    return;
  end if;
  update review.delivery x set state = 'failed', attempts = d.attempts, error = d.error, done_at = clock_timestamp(), event_id = review.delivery_event(d, 'failed') where x.id = d.id;
  select * into n from review.alert x where x.id = d.alert_id;
  if n.kind <> 'failing' then
    perform review.tell('failing/' || d.target || '/' || review.today(), 'failing', tenancy.installation(), null, 'high', jsonb_build_object('what', d.target), d.target);
  end if;
end $$;

-- A reviewer's look at the newest deliveries, of what is within reach.
create function review.browse_alerts(ask uuid, max_rows int default 100) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('browse'); found_ids uuid[]; shown jsonb;
begin
  if max_rows not between 1 and 500 then raise exception 'a page is 1 to 500 alerts' using errcode = '22023'; end if;
  select array_agg(x.id order by x.created_at desc, x.id), jsonb_object_agg(x.tenant_id, x.ids) into found_ids, shown
  from (select n.id, n.created_at, n.tenant_id, jsonb_agg(n.id) over (partition by n.tenant_id) as ids from (
    select * from review.alert n where case when n.tenant_id = tenancy.installation() then tenancy.reaches_all(who, 'browse') else tenancy.reaches(who, n.tenant_id, 'browse') end order by n.created_at desc, n.id limit max_rows) n) x;
  perform audit.look(ask, 'alerts', 'browse', shown - tenancy.installation()::text, jsonb_build_object('limit', max_rows), coalesce(found_ids, '{}'));
end $$;
create function review.alerts() returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k audit.ask := audit.the_ask('alerts');
begin
  return query select jsonb_build_object('id', n.id, 'kind', n.kind, 'tenant', t.slug, 'anomaly_id', n.anomaly_id, 'rule_id', n.content->>'rule_id', 'what', n.content->>'what', 'severity', n.severity, 'created_at', n.created_at,
      'target', d.target, 'state', coalesce(d.state, 'nobody'), 'attempts', coalesce(d.attempts, 0), 'error', d.error, 'done_at', d.done_at, 'event_id', d.event_id)
    from unnest(k.ids) with ordinality x(id, place) join review.alert n on n.id = x.id join tenancy.tenant t on t.id = n.tenant_id left join review.delivery d on d.alert_id = n.id
    where tenancy.reaches(k.user_id, n.tenant_id, 'browse') order by x.place, d.target;
end $$;
-- Failed deliveries of an alert wait again, say after a password was put right.
create function review.retry_alert(alert text) returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('ship'); n review.alert; k int;
begin
  if alert !~ '^[0-9a-fA-F-]{8,36}$' then raise exception '"%" is not an alert id: give at least its first eight characters', alert using errcode = '22023'; end if;
  select * into strict n from review.alert x where starts_with(x.id::text, lower(alert)) and case when x.tenant_id = tenancy.installation() then tenancy.reaches_all(who, 'ship') else tenancy.reaches(who, x.tenant_id, 'ship') end;
  update review.delivery d set state = 'waiting', done_at = null where d.alert_id = n.id and d.state = 'failed';
  get diagnostics k = row_count;
  if k = 0 then raise exception 'no delivery of alert % has failed', left(n.id::text, 8) using errcode = '55000', hint = 'ward notify list shows them'; end if;
  perform audit.write(n.tenant_id, 'ship', 'ok', jsonb_build_object('what', 'alert retry', 'alert', n.id, 'deliveries', k)::text, null, null, null, 'audit');
  return k;
exception when no_data_found or too_many_rows then raise exception 'no alert, or more than one, begins with "%"', alert using errcode = '02000', hint = 'ward notify list --json shows whole ids';
end $$;
-- A reviewer is about to send a test message to each of these targets.
create function review.test_alert(targets text[]) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer_of('ship', null);
begin
  return audit.write(tenancy.installation(), 'ship', 'ok', jsonb_build_object('what', 'alert test', 'targets', targets)::text, null, null, null, 'audit');
end $$;
-- +goose StatementEnd
grant select on review.delivery to ward_worker;
grant execute on function review.name_targets, review.tell_clocks, review.tell_digest, review.due_deliveries, review.message, review.delivered, review.undelivered to ward_worker;
grant execute on function review.browse_alerts, review.alerts, review.retry_alert, review.test_alert to ward_reviewer;
reset role;
