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
create function review.advance_activity(upto bigint) returns bigint language plpgsql volatile set search_path = pg_catalog, pg_temp set enable_seqscan = off set random_page_cost = 1.1 set jit = off as $$
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
  ), days as (
    select f.tenant_id, f.user_id, f.day, max(f.role) as role, count(*) as accesses, count(*) filter (where f.action = 'export') as exports,
      review.by_hour(array_agg(f.hour)) as hours
    from fresh f group by f.tenant_id, f.user_id, f.day
  ), written as (
    insert into review.activity as x (tenant_id, user_id, day, role, patients, accesses, exports, hours)
    select d.tenant_id, d.user_id, d.day, d.role, (select count(*) from seen s where s.tenant_id = d.tenant_id and s.user_id = d.user_id and s.day = d.day and s.first), d.accesses, d.exports, d.hours from days d
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
    select t.tenant_id, t.user_id, t.day, max(t.role) as role, count(*)::int as patients, sum(t.accesses)::int as accesses, sum(t.exports)::int as exports,
      (select review.by_hour(array_agg(h)) from truth u, unnest(u.hours) h where u.tenant_id = t.tenant_id and u.user_id = t.user_id and u.day = t.day) as hours
    from truth t group by 1, 2, 3
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
reset role;
