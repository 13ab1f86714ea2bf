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
reset role;
