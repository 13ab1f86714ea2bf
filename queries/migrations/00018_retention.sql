-- How long a clinic's archived history is kept, and legal holds on it. The archive locks a part for the longest of the clinics in it; the worker
-- extends the locks of parts that exist already. Nothing here ever shortens: a lock in COMPLIANCE mode could not follow.

-- +goose Up
set local role ward_owner;

-- years from the end of the month of sealing on, to which ninety days are added
alter table tenancy.tenant add column retain_years int not null default 6 constraint tenant_retain_years check (retain_years between 6 and 100);

create table audit.hold (
  id          uuid primary key default gen_random_uuid(),
  tenant_id   uuid references tenancy.tenant,   -- null: every clinic's rows of the month
  month       text check (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),   -- null: every month
  reason      text not null,
  placed_by   uuid not null references tenancy.users,
  placed_at   timestamptz not null default clock_timestamp(),
  lifted_by   uuid references tenancy.users,
  lifted_at   timestamptz,
  lift_reason text,
  constraint hold_on_something check (tenant_id is not null or month is not null),
  constraint hold_lifted check ((lifted_at is null) = (lifted_by is null) and (lifted_at is null) = (lift_reason is null))
);
grant select on audit.hold to ward_worker;

-- +goose StatementBegin
create function tenancy.set_retention(tenant text, years int, reason text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid := tenancy.tenant_named(tenant, 'configure'); old int;
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then raise exception 'a retention needs a reason of at least four characters' using errcode = '22023'; end if;
  select x.retain_years into old from tenancy.tenant x where x.id = t for update;
  if years is null or years < old or years > 100 then
    raise exception '% years: history of % is kept for % years, which can grow to 100 and never shrink', years, tenant, old using errcode = '22023', hint = 'what is locked already could not be unlocked';
  end if;
  update tenancy.tenant x set retain_years = years where x.id = t;
  perform audit.write(t, 'configure', 'ok', jsonb_build_object('what', 'tenant retention', 'years', years, 'before', old, 'reason', reason)::text, null, null, null, 'audit');
end $$;

-- A compliance officer's, whose permission for the archive is 'ship'.
create function audit.place_hold(tenant text, month text, reason text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('ship'); t uuid; h uuid;
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then raise exception 'a legal hold needs a reason of at least four characters' using errcode = '22023'; end if;
  if tenant is null and month is null then raise exception 'a legal hold is on a clinic, a month, or both' using errcode = '22023'; end if;
  if month !~ '^[0-9]{4}-(0[1-9]|1[0-2])$' then raise exception 'a month is YYYY-MM, not "%"', month using errcode = '22023'; end if;
  if tenant is not null then t := tenancy.tenant_named(tenant, 'ship'); end if;
  perform tenancy.reviewer_of('ship', t);  -- a month is every clinic's
  insert into audit.hold (tenant_id, month, reason, placed_by) values (t, place_hold.month, place_hold.reason, who) returning id into h;
  perform audit.write(coalesce(t, tenancy.installation()), 'configure', 'ok', jsonb_build_object('what', 'archive hold', 'hold', h, 'month', month, 'reason', reason)::text, null, null, null, 'audit');
  return h;
end $$;
create function audit.lift_hold(hold text, reason text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('ship'); h audit.hold; n int;
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then raise exception 'lifting a legal hold needs a reason of at least four characters' using errcode = '22023'; end if;
  select count(*) into n from audit.hold x where length(hold) >= 8 and starts_with(x.id::text, hold) and x.lifted_at is null and case when x.tenant_id is null then tenancy.reaches_all(who, 'ship') else tenancy.reaches(who, x.tenant_id, 'ship') end;
  if n <> 1 then raise exception '% legal holds in force within your reach have the id "%"', n, hold using errcode = '02000', hint = 'ward archive holds lists them; eight digits of an id are enough'; end if;
  update audit.hold x set lifted_by = who, lifted_at = clock_timestamp(), lift_reason = lift_hold.reason
    where starts_with(x.id::text, hold) and x.lifted_at is null and case when x.tenant_id is null then tenancy.reaches_all(who, 'ship') else tenancy.reaches(who, x.tenant_id, 'ship') end returning * into h;
  perform audit.write(coalesce(h.tenant_id, tenancy.installation()), 'configure', 'ok', jsonb_build_object('what', 'archive hold lifted', 'hold', h.id, 'reason', reason)::text, null, null, null, 'audit');
  return h.id;
end $$;

-- A reviewer tries out the store: recorded first, and what was found after. It is no verification: it says nothing about the archive's content.
create function audit.examine_store(store text, found jsonb default null) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform tenancy.reviewer('verify');
  perform audit.write(tenancy.installation(), 'verify', 'ok', jsonb_strip_nulls(jsonb_build_object('what', 'archive doctor', 'store', store, 'found', found))::text, null, null, null, 'audit');
end $$;
-- +goose StatementEnd
grant execute on function tenancy.set_retention, audit.place_hold, audit.lift_hold, audit.examine_store to ward_reviewer;
reset role;
