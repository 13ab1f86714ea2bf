-- Filters: what explains an access, so that it never becomes an anomaly; and what they need to know of care beyond a person's own rows.

-- +goose Up
set local role ward_owner;

-- The care team of a patient, as a reference table: whoever has a part in somebody's care without an appointment or an encounter of their own.
create table public.care_team (
  tenant_id uuid not null, id uuid not null, patient_id uuid not null, member_id uuid not null references tenancy.users,
  from_at timestamptz not null, to_at timestamptz, added_by uuid references tenancy.users,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id), foreign key (tenant_id, patient_id) references public.patients (tenant_id, id)
);
select tenancy.protect('public.care_team', 'patient_id');
select tenancy.relate('public.care_team', 'care_team', '{"user": "member_id", "patient": "patient_id", "from": "from_at", "to": "to_at", "author": "added_by", "known": "created_at"}');
select tenancy.permit(r, 'public.care_team', array['view', 'create', 'modify', 'delete']) from unnest(array['clinician', 'front_desk']) r;
select tenancy.permit(r, 'public.care_team', array['view']) from unnest(array['nurse', 'records', 'service', 'patient']) r;

-- Who stands in for whom, and when: a colleague's patients are then one's own. No patient is in it. A row is never changed but to end it.
create table review.coverage (
  id         uuid primary key default gen_random_uuid(),
  tenant_id  uuid not null references tenancy.tenant,
  user_id    uuid not null references tenancy.users,   -- who covers
  covered_id uuid not null references tenancy.users,   -- for whom
  from_at    timestamptz not null,
  to_at      timestamptz not null check (to_at > from_at and to_at <= from_at + interval '90 days'),
  author_id  uuid references tenancy.users,
  void_at    timestamptz,
  known_at   timestamptz not null default clock_timestamp(),
  event_id   bigint,
  constraint nobody_covers_themself check (user_id <> covered_id)
);
create index coverage_user on review.coverage (tenant_id, user_id, from_at);
create trigger no_delete before delete on review.coverage for each row execute function tenancy.no_delete();
create trigger no_truncate before truncate on review.coverage for each statement execute function tenancy.no_delete();
grant select on review.coverage to ward_worker;

-- +goose StatementBegin
-- What the application's roster says: until to_at, who covers sees to the patients of the one covered. Both are of the session's clinic. It explains accesses only where somebody
-- else than the one who covers has said it, so it is open to whoever works there; and it is an event.
create function tenancy.cover(id uuid, covering uuid, covered uuid, from_at timestamptz, to_at timestamptz) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid := tenancy.tenant_id(); e bigint;
begin
  if t is null then raise exception 'no identity: tenancy.begin() comes first' using errcode = '42501'; end if;
  if not exists (select from tenancy.membership m where m.tenant_id = t and m.user_id = tenancy.user_id() and m.patient_id is null and m.terminated_at is null) then
    raise exception 'a portal identity does not keep the roster' using errcode = '42501';
  end if;
  if (select count(distinct m.user_id) from tenancy.membership m where m.tenant_id = t and m.user_id in (covering, covered) and m.patient_id is null and m.terminated_at is null) < 2 then
    raise exception 'both must work at this clinic' using errcode = '23503';
  end if;
  e := audit.write(t, 'configure', 'ok', jsonb_build_object('what', 'coverage', 'covering', covering, 'covered', covered, 'from', from_at, 'to', to_at)::text, null, null, null, 'operations');
  insert into review.coverage (id, tenant_id, user_id, covered_id, from_at, to_at, author_id, event_id) values (cover.id, t, covering, covered, cover.from_at, cover.to_at, tenancy.user_id(), e);
end $$;
create function tenancy.uncover(id uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid := tenancy.tenant_id();
begin
  if t is null then raise exception 'no identity: tenancy.begin() comes first' using errcode = '42501'; end if;
  update review.coverage c set void_at = clock_timestamp() where c.id = uncover.id and c.tenant_id = t and c.void_at is null;
  if not found then raise exception 'no coverage % at this clinic that has not ended', id using errcode = '02000'; end if;
  perform audit.write(t, 'configure', 'ok', jsonb_build_object('what', 'coverage ended', 'coverage', id)::text, null, null, null, 'operations');
end $$;
-- +goose StatementEnd
revoke execute on function tenancy.cover, tenancy.uncover from public;
grant execute on function tenancy.cover, tenancy.uncover to ward_app;

-- What filters explain and tier B asks about: a member of the staff reached a record of a patient of the clinic. A portal identity reaches one patient, and what else it asks for is
-- denied; what was refused or belongs to nobody showed nothing.
create view review.staff_access as
  select a.*, m.role from review.access a left join tenancy.membership m on m.id = a.membership_id
  where a.actor_kind = 'human' and a.outcome = 'ok' and a.action in ('view', 'modify', 'export') and a.patient_id is not null and a.known and m.patient_id is null;

-- Which filter explains which access, and why. An access may have several; a flag sees those that have none.
create table review.explanation (
  event_id       bigint not null,
  filter         text not null references review.rule,
  filter_version int not null,
  tenant_id      uuid not null,
  user_id        uuid not null,
  patient_id     uuid not null,
  at             timestamptz not null,       -- of the access
  reason         text not null check (reason ~ '^[a-z][a-z0-9_]{2,39}$'),
  valid_until    timestamptz,                -- an access of the same person to the same patient inherits it until then; null: none does
  inherited_from bigint,                     -- the access whose explanation this is; null: its own
  run_id         uuid not null,
  primary key (event_id, filter),
  constraint inherits_from_another check (inherited_from <> event_id),
  constraint inherited_ends_there check (inherited_from is null or valid_until is null)   -- what is inherited is not handed on: else one visit would explain a lifetime
);
create index explanation_pair on review.explanation (tenant_id, user_id, patient_id, at);
create trigger append_only before update or delete on review.explanation for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on review.explanation for each statement execute function audit.append_only();
grant select, insert on review.explanation to ward_worker;

-- What remains. A flag that reads it, or review.explanation, never reads beyond where every enabled filter has been.
-- OFFSET 0, here and in the filters: asked for each access by its key. As a join it was a pass over the whole history.
create view review.unexplained as
  select a.* from review.staff_access a where not exists (select from review.explanation x where x.event_id = a.event_id offset 0);
grant select on review.staff_access, review.unexplained to ward_worker;

-- +goose StatementBegin
-- How much of what somebody did at a clinic within a time was explained, by which filter: [{"filter", "title", "reason", "accesses", "inherited"}].
create function review.explained_for(tenant uuid, actor uuid, first timestamptz, last timestamptz) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object('filter', x.filter, 'title', r.title, 'reason', x.reason, 'accesses', x.accesses, 'inherited', x.inherited) order by x.accesses desc, x.filter, x.reason), '[]')
  from (select e.filter, e.reason, count(*) as accesses, count(e.inherited_from) as inherited from review.explanation e
    where e.tenant_id = tenant and e.user_id = actor and e.at between first and last group by e.filter, e.reason) x join review.rule r on r.id = x.filter
$$;
-- +goose StatementEnd
revoke execute on function review.explained_for from public;

-- What an installation has beside the kinds of relationships: names that a rule may require.
create table review.input (
  name  text primary key check (name ~ '^[a-z][a-z_]{2,39}$'),
  note  text not null,
  ready boolean not null default false      -- whether this installation fills it
);
insert into review.input (name, note) values
  ('person_link', 'which patient record is that of a member of the staff, or of their family: review.person_link'),
  ('surname', 'a keyed hash of surnames, of staff and patients'),
  ('address_hash', 'a keyed hash of addresses, of staff and patients'),
  ('vip', 'which patients are in the public eye'),
  ('deceased_at', 'when a patient died'),
  ('source_ip', 'from which address a session came');
grant select on review.input to ward_worker, ward_migrate;
grant update (ready) on review.input to ward_migrate;

-- What people do on an ordinary day: kept by batch, so that no rule reads a history to know it. Whose patients, for as long as a late event may come.
create table review.activity_patient (
  tenant_id  uuid not null,
  user_id    uuid not null,
  day        date not null,        -- of the access, UTC
  patient_id uuid not null,
  first_at   timestamptz not null, -- the first access of that day
  accesses   int not null,
  exports    int not null,
  primary key (tenant_id, user_id, day, patient_id)
);
create table review.activity (
  tenant_id uuid not null,
  user_id   uuid not null,
  day       date not null,
  role      text,
  patients  int not null,          -- different ones
  accesses  int not null,
  exports   int not null,
  hours     int[] not null check (cardinality(hours) = 24),   -- accesses by hour of the day, UTC
  primary key (tenant_id, user_id, day)
);
create index activity_peers on review.activity (tenant_id, day, role);
-- How far the two tables have read. Whoever moves it holds the row: each access is counted once.
create table review.baseline (
  one   boolean primary key default true check (one),
  batch bigint not null default 0
);
insert into review.baseline default values;
grant select, insert, update on review.activity, review.activity_patient to ward_worker;
grant delete on review.activity_patient to ward_worker;
grant select, update on review.baseline to ward_worker;

-- +goose StatementBegin
create function review.hour_of(at timestamptz) returns int language sql immutable set search_path = pg_catalog, pg_temp as $$ select extract(hour from at at time zone 'UTC')::int $$;
create function review.by_hour(hours int[]) returns int[] language sql immutable set search_path = pg_catalog, pg_temp as $$
  select array_agg((select count(*) from unnest(hours) x where x = h)::int order by h) from generate_series(0, 23) h
$$;
-- By hour of the day, each element added to its like.
create function review.add_hours(a int[], b int[]) returns int[] language sql immutable set search_path = pg_catalog, pg_temp as $$
  select array_agg(coalesce(x.m, 0) + coalesce(x.n, 0) order by x.i) from unnest(a, b) with ordinality x(m, n, i)
$$;
-- Counts the accesses of the batches after the last one counted, up to one given; how many. A late event adds to the day on which it happened.
create function review.advance_activity(upto bigint) returns bigint language plpgsql volatile set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set random_page_cost = 1.1 set jit = off as $$
declare done bigint; n bigint;
begin
  select b.batch into done from review.baseline b for update;
  if upto <= done then return 0; end if;
  with fresh as materialized (
    select a.tenant_id, a.user_id, (a.at at time zone 'UTC')::date as day, a.patient_id, a.role, a.action, a.at, review.hour_of(a.at) as hour
    from review.staff_access a where a.batch > done and a.batch <= upto
  ), seen as (
    insert into review.activity_patient as p (tenant_id, user_id, day, patient_id, first_at, accesses, exports)
    select f.tenant_id, f.user_id, f.day, f.patient_id, min(f.at), count(*), count(*) filter (where f.action = 'export') from fresh f group by f.tenant_id, f.user_id, f.day, f.patient_id
    on conflict (tenant_id, user_id, day, patient_id) do update set first_at = least(p.first_at, excluded.first_at), accesses = p.accesses + excluded.accesses, exports = p.exports + excluded.exports
    returning tenant_id, user_id, day, xmax = 0 as first
  ), counted as (  -- one pass over both, since a join of the two would be a loop here
    select f.tenant_id, f.user_id, f.day, f.role, 1 as accesses, (f.action = 'export')::int as exports, f.hour, 0 as patients from fresh f
    union all
    select s.tenant_id, s.user_id, s.day, null, 0, 0, null, 1 from seen s where s.first
  ), written as (
    insert into review.activity as x (tenant_id, user_id, day, role, patients, accesses, exports, hours)
    select c.tenant_id, c.user_id, c.day, max(c.role), sum(c.patients), sum(c.accesses), sum(c.exports), review.by_hour(array_agg(c.hour) filter (where c.hour is not null))
    from counted c group by c.tenant_id, c.user_id, c.day
    on conflict (tenant_id, user_id, day) do update set role = coalesce(excluded.role, x.role), patients = x.patients + excluded.patients, accesses = x.accesses + excluded.accesses,
      exports = x.exports + excluded.exports, hours = review.add_hours(x.hours, excluded.hours)
    returning accesses
  )
  select count(*) into n from fresh where (select count(*) from written) >= 0;
  update review.baseline b set batch = upto;
  return n;
end $$;

-- A person's own usual day at a clinic: the median number of different patients of the days before one on which they worked, the median distance from it, and how many such days there are.
create function review.usual(tenant uuid, who uuid, before date, days int, out median float8, out spread float8, out worked bigint, out counts jsonb) language sql stable set search_path = pg_catalog, pg_temp as $$
  with h as (select a.day, a.patients from review.activity a where a.tenant_id = usual.tenant and a.user_id = usual.who and a.day < usual.before and a.day >= usual.before - usual.days),
    m as (select percentile_cont(0.5) within group (order by h.patients) as median from h)
  select max(m.median), percentile_cont(0.5) within group (order by abs(h.patients - m.median)), count(*), jsonb_agg(h.patients order by h.day) from h, m
$$;
-- The nightly second look at the counts: recounts the days from first to last from the events, mends what differs, and returns how many of (person, clinic, day) did.
create function review.recount_activity(first date, last date) returns bigint language plpgsql volatile set search_path = pg_catalog, pg_temp set enable_seqscan = off set random_page_cost = 1.1 set jit = off as $$
declare upto bigint; n bigint;
begin
  select b.batch into upto from review.baseline b for update;
  with truth as materialized (
    select a.tenant_id, a.user_id, (a.at at time zone 'UTC')::date as day, a.patient_id, max(a.role) as role, min(a.at) as first_at, count(*)::int as accesses, (count(*) filter (where a.action = 'export'))::int as exports, array_agg(review.hour_of(a.at)) as hours
    from tenancy.tenant t join review.staff_access a on a.tenant_id = t.id
    where a.batch <= upto and a.recorded_at >= first and a.at >= first and a.at < last + 1
    group by 1, 2, 3, 4
  ), days as (
    select t.tenant_id, t.user_id, t.day, max(t.role) as role, count(*)::int as patients, sum(t.accesses)::int as accesses, sum(t.exports)::int as exports, max(h.hours) as hours
    from truth t join (select u.tenant_id, u.user_id, u.day, review.by_hour(array_agg(hour)) as hours from truth u, unnest(u.hours) hour group by 1, 2, 3) h using (tenant_id, user_id, day)
    group by 1, 2, 3
  ), wrong as (
    select tenant_id, user_id, day, d.role, coalesce(d.patients, 0) as patients, coalesce(d.accesses, 0) as accesses, coalesce(d.exports, 0) as exports, coalesce(d.hours, array_fill(0, array[24])) as hours
    from days d full join (select * from review.activity x where x.day between first and last) x using (tenant_id, user_id, day)
    where (x.patients, x.accesses, x.exports, x.hours) is distinct from (d.patients, d.accesses, d.exports, d.hours) and not (d.patients is null and x.accesses = 0)
  ), gone as (
    delete from review.activity_patient p using wrong w where (p.tenant_id, p.user_id, p.day) = (w.tenant_id, w.user_id, w.day)
      and not exists (select from truth t where (t.tenant_id, t.user_id, t.day, t.patient_id) = (p.tenant_id, p.user_id, p.day, p.patient_id))
  ), seen as (
    insert into review.activity_patient as p (tenant_id, user_id, day, patient_id, first_at, accesses, exports)
    select t.tenant_id, t.user_id, t.day, t.patient_id, t.first_at, t.accesses, t.exports from truth t join wrong w using (tenant_id, user_id, day)
    on conflict (tenant_id, user_id, day, patient_id) do update set first_at = excluded.first_at, accesses = excluded.accesses, exports = excluded.exports
  ), mended as (
    insert into review.activity as x (tenant_id, user_id, day, role, patients, accesses, exports, hours) select w.* from wrong w
    on conflict (tenant_id, user_id, day) do update set role = coalesce(excluded.role, x.role), patients = excluded.patients, accesses = excluded.accesses, exports = excluded.exports, hours = excluded.hours
    returning 1
  )
  select count(*) into n from mended;
  return n;
end $$;
-- +goose StatementEnd
revoke execute on function review.hour_of, review.by_hour, review.add_hours, review.advance_activity, review.usual, review.recount_activity from public;
grant execute on function review.hour_of, review.by_hour, review.add_hours, review.advance_activity, review.usual, review.recount_activity to ward_worker;

-- Suppression: for a time, what a rule finds about somebody at a clinic goes into the queue as suppressed, and is counted. Two people and an end, always.
insert into tenancy.reviewer_action values ('compliance_officer', 'suppress');
create table review.suppression (
  id          uuid primary key default gen_random_uuid(),
  rule_id     text not null references review.rule,
  tier        text not null,                       -- of the rule, then
  tenant_id   uuid not null references tenancy.tenant,
  actor_id    uuid references tenancy.users,
  patient_id  uuid,
  record_id   uuid,
  action      text,
  reason      text not null check (length(reason) >= 4),
  ticket      text not null check (btrim(ticket) <> ''),
  created_by  uuid not null references tenancy.users,
  created_at  timestamptz not null default clock_timestamp(),
  approved_by uuid references tenancy.users,
  approved_at timestamptz,
  starts_at   timestamptz not null,
  expires_at  timestamptz not null,
  ended_by    uuid references tenancy.users,
  ended_at    timestamptz,
  renews      uuid references review.suppression,
  hits        int not null default 0,
  last_hit_at timestamptz,
  event_id    bigint not null,
  constraint says_whom check (num_nonnulls(actor_id, patient_id, record_id, action) > 0),   -- never a whole rule at a clinic
  constraint ends check (expires_at > starts_at and expires_at <= starts_at + case tier when 'A' then interval '7 days' else interval '90 days' end),
  constraint not_backdated check (starts_at >= created_at - interval '1 minute'),
  constraint second_person check (approved_by <> created_by),
  constraint approved_whole check ((approved_by is null) = (approved_at is null)),
  constraint nobody_suppresses_about_themself check (created_by is distinct from actor_id and approved_by is distinct from actor_id or actor_id is null)
);
create index suppression_rule on review.suppression (rule_id, tenant_id, expires_at);
create trigger no_delete before delete on review.suppression for each row execute function tenancy.no_delete();
create trigger no_truncate before truncate on review.suppression for each statement execute function tenancy.no_delete();
-- +goose StatementBegin
-- Approved once, ended once, counted up; nothing else of it changes. A renewal is a row of its own.
create function review.on_suppression() returns trigger language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    if new.approved_by is not null or new.ended_at is not null or new.hits <> 0 then raise exception 'a suppression begins without approval' using errcode = '42501'; end if;
    if new.tier is distinct from (select r.tier from review.rule r where r.id = new.rule_id) then raise exception 'the rule is of another tier' using errcode = '22023'; end if;
    return new;
  end if;
  if (to_jsonb(new) - array['approved_by', 'approved_at', 'ended_by', 'ended_at', 'hits', 'last_hit_at']) is distinct from (to_jsonb(old) - array['approved_by', 'approved_at', 'ended_by', 'ended_at', 'hits', 'last_hit_at'])
    or old.approved_by is not null and (new.approved_by, new.approved_at) is distinct from (old.approved_by, old.approved_at) or old.ended_at is not null and (new.ended_at, new.ended_by) is distinct from (old.ended_at, old.ended_by) or new.hits < old.hits
    or old.approved_by is null and new.approved_by is not null and old.ended_at is not null then
    raise exception 'a suppression is not changed: renew it' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger unchanged before insert or update on review.suppression for each row execute function review.on_suppression();

create function review.suppression_state(s review.suppression) returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when s.ended_at is not null then 'ended' when s.expires_at <= clock_timestamp() then 'expired' when s.approved_by is null then 'pending'
    when s.starts_at > clock_timestamp() then 'approved' when s.expires_at <= clock_timestamp() + interval '14 days' then 'expiring' else 'active' end
$$;
create function review.suppression_row(s review.suppression) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('id', s.id, 'rule_id', s.rule_id, 'tier', s.tier, 'tenant_id', s.tenant_id, 'tenant', t.slug, 'actor', a.slug, 'patient_id', s.patient_id, 'record_id', s.record_id, 'action', s.action,
    'reason', s.reason, 'ticket', s.ticket, 'created_by', c.slug, 'created_at', s.created_at, 'approved_by', p.slug, 'approved_at', s.approved_at, 'starts_at', s.starts_at, 'expires_at', s.expires_at,
    'ended_by', e.slug, 'ended_at', s.ended_at, 'renews', s.renews, 'hits', s.hits, 'last_hit_at', s.last_hit_at, 'state', review.suppression_state(s))
  from tenancy.tenant t join tenancy.users c on c.id = s.created_by left join tenancy.users a on a.id = s.actor_id left join tenancy.users p on p.id = s.approved_by left join tenancy.users e on e.id = s.ended_by
  where t.id = s.tenant_id
$$;
create function review.suppression_within(id text) returns review.suppression language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare s review.suppression; who uuid := tenancy.reviewer('suppress'); n int;
begin
  if id !~ '^[0-9a-fA-F-]{4,36}$' then raise exception '"%" is not the id of a suppression: give at least its first four characters', id using errcode = '22023'; end if;
  select count(*) into n from review.suppression x where starts_with(x.id::text, lower(suppression_within.id)) and tenancy.reaches(who, x.tenant_id, 'suppress');
  if n > 1 then raise exception '% suppressions begin with "%": give more of the id', n, id using errcode = '22023'; end if;
  select * into s from review.suppression x where starts_with(x.id::text, lower(suppression_within.id)) and tenancy.reaches(who, x.tenant_id, 'suppress') for update;
  if s.id is null then raise exception 'no suppression "%" within your reach', id using errcode = '02000', hint = 'ward suppress list shows them'; end if;
  return s;
end $$;

-- Whether it is about this person, under whatever account, or a patient who they are: then they have no say in it.
create function review.suppression_about(s review.suppression, who uuid) returns boolean language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return review.party(who, null, s.actor_id, coalesce(s.patient_id, (select r.subject_id from tenancy.record r where r.record_id = s.record_id and r.tenant_id = s.tenant_id limit 1))) is not null;
end $$;

-- Asks for one: {"rule", "tenant", "reason", "ticket", "days"} and at least one of {"actor", "patient", "record", "action"}; {"renews": id} takes over what that one matches.
create function review.suppress(what jsonb) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid; who uuid := tenancy.reviewer('suppress'); r review.rule; s review.suppression; old review.suppression; e bigint; bad text; days int := (what->>'days')::int; n int;
begin
  select string_agg(x, ', ') into bad from jsonb_object_keys(what) x where x not in ('rule', 'tenant', 'actor', 'patient', 'record', 'action', 'reason', 'ticket', 'days', 'renews');
  if bad is not null then raise exception 'unknown: %', bad using errcode = '22023'; end if;
  if what ? 'renews' then
    old := review.suppression_within(what->>'renews');
    if what ?| array['rule', 'tenant', 'actor', 'patient', 'record', 'action'] then raise exception 'a renewal is of the same rule, clinic and matter' using errcode = '22023'; end if;
    s := old; t := old.tenant_id;
    select * into r from review.rule x where x.id = old.rule_id;
  else
    t := tenancy.tenant_named(what->>'tenant', 'suppress');
    select count(*) into n from review.rule x where starts_with(x.id, what->>'rule');
    if n <> 1 then raise exception '% rules begin with "%": name one', n, what->>'rule' using errcode = '22023', hint = 'ward rule list shows them'; end if;
    select * into r from review.rule x where starts_with(x.id, what->>'rule');
    s.actor_id := case when what ? 'actor' then tenancy.user_named(what->>'actor') end;
    s.patient_id := (what->>'patient')::uuid; s.record_id := (what->>'record')::uuid; s.action := what->>'action';
  end if;
  if r.kind <> 'flag' then raise exception 'rule % is a %: only what a flag finds can be suppressed', r.id, r.kind using errcode = '22023'; end if;
  if num_nonnulls(s.actor_id, s.patient_id, s.record_id, s.action) = 0 then raise exception 'whom or what is it about: actor, patient, record or action' using errcode = '22023'; end if;
  if btrim(coalesce(what->>'ticket', '')) = '' then raise exception 'a ticket is needed' using errcode = '22023'; end if;
  if days is null or days < 1 or days > (case r.tier when 'A' then 7 else 90 end) then
    raise exception 'from 1 to % days for a rule of tier %', case r.tier when 'A' then 7 else 90 end, r.tier using errcode = '22023';
  end if;
  s.tenant_id := t;
  if review.suppression_about(s, who) then raise exception 'this suppression is about yourself: somebody else asks for it' using errcode = 'WARD2'; end if;
  s.id := gen_random_uuid();
  e := audit.write(t, 'suppress', 'ok', jsonb_strip_nulls(jsonb_build_object('what', 'asked', 'suppression', s.id, 'rule', r.id, 'actor', s.actor_id, 'record', s.record_id, 'action', s.action, 'days', days,
    'reason', review.need_reason(what->>'reason'), 'ticket', what->>'ticket', 'renews', old.id))::text, null, null, s.patient_id, 'audit');
  insert into review.suppression (id, rule_id, tier, tenant_id, actor_id, patient_id, record_id, action, reason, ticket, created_by, starts_at, expires_at, renews, event_id)
  select s.id, r.id, r.tier, t, s.actor_id, s.patient_id, s.record_id, s.action, review.need_reason(what->>'reason'), btrim(what->>'ticket'), who, x.at, x.at + days * interval '1 day', old.id, e
  from (select greatest(clock_timestamp(), old.expires_at) as at) x returning * into s;
  return review.suppression_row(s) || jsonb_build_object('event_id', e);
end $$;
create function review.approve_suppression(id text, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare s review.suppression := review.suppression_within(id); who uuid := tenancy.user_id(); e bigint;
begin
  if s.created_by = any (tenancy.accounts_of(who)) then raise exception 'you asked for this suppression yourself: somebody else approves it' using errcode = 'WARD2'; end if;
  if review.suppression_about(s, who) then raise exception 'this suppression is about yourself: somebody else approves it' using errcode = 'WARD2'; end if;
  if review.suppression_state(s) <> 'pending' then raise exception 'this suppression is %', review.suppression_state(s) using errcode = 'WARD3'; end if;
  e := audit.write(s.tenant_id, 'suppress', 'ok', jsonb_build_object('what', 'approved', 'suppression', s.id, 'reason', review.need_reason(reason))::text, null, null, s.patient_id, 'audit');
  update review.suppression x set approved_by = who, approved_at = clock_timestamp() where x.id = s.id returning * into s;
  return review.suppression_row(s) || jsonb_build_object('event_id', e);
end $$;
create function review.end_suppression(id text, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare s review.suppression := review.suppression_within(id); e bigint;
begin
  if s.ended_at is not null or s.expires_at <= clock_timestamp() then raise exception 'this suppression is %', review.suppression_state(s) using errcode = 'WARD3'; end if;
  e := audit.write(s.tenant_id, 'suppress', 'ok', jsonb_build_object('what', 'ended', 'suppression', s.id, 'reason', review.need_reason(reason))::text, null, null, s.patient_id, 'audit');
  update review.suppression x set ended_by = tenancy.user_id(), ended_at = clock_timestamp() where x.id = s.id returning * into s;
  return review.suppression_row(s) || jsonb_build_object('event_id', e);
end $$;
-- The suppression in force that a match falls under: all of its evidence is about the same person, patient, record and action as it says; null: none. What its two people did themselves
-- falls under none of theirs.
create function review.suppressed_by(rule text, tenant uuid, actor uuid, events bigint[]) returns uuid language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select s.id from review.suppression s
  where s.rule_id = rule and s.tenant_id = tenant and (s.actor_id is null or s.actor_id = actor) and s.approved_by is not null and s.ended_at is null and s.starts_at <= clock_timestamp() and s.expires_at > clock_timestamp()
    and cardinality(events) > 0 and not exists (select from unnest(events) x(id) cross join lateral (select * from review.access a where a.event_id = x.id offset 0) a
      where (s.patient_id is not null and a.patient_id is distinct from s.patient_id or s.record_id is not null and a.record_id is distinct from s.record_id or s.action is not null and a.action is distinct from s.action))
    and (actor is null or not actor = any (tenancy.accounts_of(s.created_by) || tenancy.accounts_of(s.approved_by)))
  order by s.expires_at, s.id limit 1);
end $$;
-- +goose StatementEnd
revoke execute on function review.suppression_state, review.suppression_row, review.suppression_about, review.suppression_within, review.suppress, review.approve_suppression, review.end_suppression, review.suppressed_by from public;
grant execute on function review.suppress, review.approve_suppression, review.end_suppression to ward_reviewer;
grant execute on function review.suppressed_by to ward_worker;
grant select, update (hits, last_hit_at) on review.suppression to ward_worker;

-- What is suppressed stands in the queue as such, one item of a suppression for each matter; an open anomaly of the same matter may stand beside it.
alter table review.anomaly add column suppression_id uuid references review.suppression;
alter table review.anomaly add constraint suppressed_says_by_what check (state <> 'suppressed' or suppression_id is not null);
create unique index anomaly_suppressed on review.anomaly (key, suppression_id) where state = 'suppressed';
grant insert (suppression_id, state) on review.anomaly to ward_worker;
-- +goose StatementBegin
create function review.enters_the_queue() returns trigger language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  if new.state not in ('new', 'suppressed') then raise exception 'an anomaly is new, or suppressed' using errcode = '42501'; end if;
  return new;
end $$;
create trigger enters before insert on review.anomaly for each row when (new.state <> 'new') execute function review.enters_the_queue();
-- +goose StatementEnd

-- An installation's own rules: their text is somebody's of the house, not ward's. It runs inside a function of ward_rule's, and within a SECURITY DEFINER function no role can be
-- set: neither RESET ROLE nor set_config leads out.
alter table review.rule add column own boolean not null default false;   -- of the installation, not shipped
grant usage on schema review, tenancy to ward_rule;
grant select on review.access, review.staff_access, review.unexplained, review.explanation, review.relationship, review.coverage, review.activity, review.activity_patient, review.input to ward_rule;
grant select (id, slug, kind) on tenancy.users to ward_rule;
grant select (id, slug, kind, region) on tenancy.tenant to ward_rule;
grant select (id, tenant_id, user_id, role, patient_id, started_at, ended_on, terminated_at) on tenancy.membership to ward_rule;
grant execute on function review.usual, review.hour_of to ward_rule;
grant create on schema review to ward_rule;
reset role;
set local role ward_rule;
-- +goose StatementBegin
-- The answer of such a rule, at most so many rows, as JSON by the columns' names. calls: every name that stands before a parenthesis in its text; one of a volatile function is refused,
-- since that could act, wait, or answer otherwise the next time.
create function review.ask_rule(sql text, calls text[], low bigint, high bigint, at timestamptz, most int) returns setof jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare bad text;
begin
  select string_agg(distinct p.proname, ', ') into bad from pg_proc p where p.proname = any (calls) and p.provolatile = 'v';
  if bad is not null then raise exception 'a rule calls no volatile function: %', bad using errcode = '42501'; end if;
  return query execute 'select to_jsonb(answer) from (' || sql || E'\n) answer limit ' || most using low, high, at;
end $$;
-- +goose StatementEnd
revoke execute on function review.ask_rule from public;
grant execute on function review.ask_rule to ward_worker;
reset role;
set local role ward_owner;
revoke create on schema review from ward_rule;

set local role ward_owner;
-- +goose StatementBegin
-- A rule whose file is gone is late, and S02 tells, until somebody says that it is meant to be gone. It is then listed NOT ENABLED for want of its file; a worker that has the file again
-- takes it up where it stopped.
create function review.retire_rule(rule text, reason text) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer_of('configure', null); r review.rule; e bigint;
begin
  select * into r from review.rule x where x.id = retire_rule.rule for update;
  if r.id is null then raise exception 'no rule "%"', rule using errcode = '02000', hint = 'ward rule list shows them'; end if;
  if r.loaded_at > clock_timestamp() - interval '5 minutes' then
    raise exception 'a worker has the file of rule % (seen %): take it away first', r.id, to_char(r.loaded_at at time zone 'UTC', 'HH24:MI:SS "UTC"') using errcode = '55000';
  end if;
  e := audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'rule retired', 'rule', r.id, 'version', r.version, 'content', r.content_hash, 'reason', review.need_reason(reason))::text, null, null, null, 'audit');
  update review.rule x set missing = array[format('its file (retired by %s on %s)', (select u.slug from tenancy.users u where u.id = who), to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD'))] where x.id = r.id;
  return e;
end $$;
-- +goose StatementEnd
revoke execute on function review.retire_rule from public;
grant execute on function review.retire_rule to ward_reviewer;

-- The nightly second look: what a rule found of the last days by the time of the event, once a night.
alter table review.run add column second_look date;
create unique index run_second_look on review.run (rule_id, second_look) where status = 'ok';
reset role;
