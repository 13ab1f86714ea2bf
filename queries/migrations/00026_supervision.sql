-- What is kept of those who review: who let findings be held back, who said that somebody is a patient or that two accounts are one person. Nobody does the first for themself, under
-- whatever account; all of it is in the evidence of a period.

-- +goose Up
set local role ward_owner;

-- A suppression is asked for and approved by two persons, neither of whom it is about: as an anomaly is closed. Below the functions, whoever writes.
-- +goose StatementBegin
create function review.keep_suppressors_apart() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare p uuid;
begin
  foreach p in array array_remove(array[new.created_by, new.approved_by], null) loop
    if review.suppression_about(new, p) then raise exception 'this suppression is about the one who asks for it or approves it, or a patient who they are' using errcode = 'WARD2'; end if;
  end loop;
  if new.approved_by = any (tenancy.accounts_of(new.created_by)) then raise exception 'who asked for a suppression does not approve it under another account' using errcode = 'WARD2'; end if;
  return null;
end $$;
-- +goose StatementEnd
create trigger keep_apart after insert or update of approved_by on review.suppression for each row execute function review.keep_suppressors_apart();
grant execute on function tenancy.accounts_of to ward_worker; -- who asked for a suppression is not held back by it

-- Who was said to be which patient, and no longer. review.person_link has what holds now.
create table review.person_link_log (
  id bigint generated always as identity primary key, at timestamptz not null default clock_timestamp(), xid xid8 not null default pg_current_xact_id(),
  tenant_id uuid not null, user_id uuid not null, patient_id uuid not null, removed boolean not null
);
create index person_link_log_link on review.person_link_log (tenant_id, user_id, patient_id, id);
insert into review.person_link_log (at, tenant_id, user_id, patient_id, removed) select l.known_at, l.tenant_id, l.user_id, l.patient_id, false from review.person_link l order by l.known_at, l.tenant_id, l.user_id, l.patient_id;
-- +goose StatementBegin
create function review.log_person_link() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op <> 'INSERT' then insert into review.person_link_log (tenant_id, user_id, patient_id, removed) values (old.tenant_id, old.user_id, old.patient_id, true); end if;
  if tg_op <> 'DELETE' then insert into review.person_link_log (tenant_id, user_id, patient_id, removed) values (new.tenant_id, new.user_id, new.patient_id, false); end if;
  return null;
end $$;
-- +goose StatementEnd
create trigger log after insert or update or delete on review.person_link for each row execute function review.log_person_link();
create trigger no_truncate before truncate on review.person_link for each statement execute function tenancy.no_delete();
create trigger append_only before update or delete on review.person_link_log for each row execute function audit.append_only();
create trigger append_only_truncate before truncate on review.person_link_log for each statement execute function audit.append_only();
alter table review.person_link_log enable always trigger append_only;
alter table review.person_link_log enable always trigger append_only_truncate;

-- +goose StatementBegin
-- The sealed event of what was done to something at a time, by what its detail says.
create function review.event_of(s review.bundle_scope, tenant uuid, action text, at timestamptz, detail jsonb) returns bigint language sql stable set search_path = pg_catalog, pg_temp as $$
  select min(e.event_id) from review.sealed_event e where e.tenant_id = event_of.tenant and e.recorded_at between event_of.at - interval '1 minute' and event_of.at + interval '1 minute'
    and e.action = event_of.action and e.detail::jsonb @> event_of.detail and e.sealed_at <= (s).as_of
$$;
-- The event by which a line of the log of links came about, and whose it is; none: no person wrote it.
create function review.supplied_by(s review.bundle_scope, l review.person_link_log) returns table (event_id bigint, by_user text) language sql stable set search_path = pg_catalog, pg_temp as $$
  select e.event_id, u.slug from audit.event e join audit.chain k on k.event_id = e.event_id left join tenancy.users u on u.id = e.user_id
  where e.xid = (l).xid and e.tenant_id = (l).tenant_id and e.action = 'configure' and e.detail::jsonb ->> 'what' = 'input supplied' and k.sealed_at <= (s).as_of order by e.event_id limit 1
$$;
-- Suppressions that were asked for or in force in the period, as they stood. What one held back is counted from the findings themselves: its own counter knows no past.
create function review.evidence_308a1iiD_suppressions(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select p.id as suppression_id, t.slug as tenant, p.rule_id, p.tier, u.slug as actor, p.patient_id, p.record_id, p.action, p.reason, p.ticket, c.slug as asked_by, p.created_at as asked_at, a.slug as approved_by, v.approved_at,
      p.starts_at, p.expires_at, b.slug as ended_by, v.ended_at, p.renews,
      case when v.ended_at is not null then 'ended' when p.expires_at <= (s).as_of then 'expired' when v.approved_at is null then 'pending' when p.starts_at > (s).as_of then 'approved' else 'active' end as state,
      h.n as held_back, h.ids as anomaly_ids, h.events as evidence_event_ids, p.event_id, review.event_of(s, p.tenant_id, 'suppress', v.approved_at, jsonb_build_object('what', 'approved', 'suppression', p.id)) as approved_as,
      review.event_of(s, p.tenant_id, 'suppress', v.ended_at, jsonb_build_object('what', 'ended', 'suppression', p.id)) as ended_as
    from review.suppression p join tenancy.tenant t on t.id = p.tenant_id join tenancy.users c on c.id = p.created_by left join tenancy.users u on u.id = p.actor_id
      cross join lateral (select case when p.approved_at <= (s).as_of then p.approved_at end as approved_at, case when p.ended_at <= (s).as_of then p.ended_at end as ended_at) v
      left join tenancy.users a on a.id = p.approved_by and v.approved_at is not null left join tenancy.users b on b.id = p.ended_by and v.ended_at is not null
      cross join lateral (select count(*) as n, string_agg(y.id::text, ' ' order by y.id) as ids, string_agg(y.events, ' ' order by y.id) as events from (
        select y.id, (select string_agg(z.event_id::text, ' ' order by z.event_id) from (select w.event_id from review.evidence w join audit.chain k on k.event_id = w.event_id left join review.run r on r.run_id = w.added_by_run
            where w.anomaly_id = y.id and k.sealed_at <= (s).as_of and coalesce(r.finished_at <= (s).as_of, true) order by w.event_id limit 2000) z) as events
        from review.anomaly y where y.suppression_id = p.id and y.created_at <= (s).as_of) y) h
    where p.tenant_id = any ((s).tenants) and p.created_at < (s).to_at and coalesce(v.ended_at, p.expires_at) >= (s).from_at order by p.created_at, p.id) x
$$;
-- Which people were said to be which patients in the period: it decides who has no say in an anomaly, and what rules about one's own record find.
create function review.evidence_308a1iiD_person_links(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select t.slug as tenant, u.slug as "user", u.id as user_id, l.patient_id, d.by_user as declared_by, l.at as declared_at, e.by_user as withdrawn_by, e.at as withdrawn_at, d.event_id, e.event_id as withdrawn_as
    from review.person_link_log l join tenancy.tenant t on t.id = l.tenant_id join tenancy.users u on u.id = l.user_id
      left join lateral (select y.* from review.supplied_by(s, l) y) d on true
      left join lateral (select r.at, y.* from (select r.* from review.person_link_log r where (r.tenant_id, r.user_id, r.patient_id) = (l.tenant_id, l.user_id, l.patient_id) and r.id > l.id and r.removed and r.at <= (s).as_of order by r.id limit 1) r
        left join lateral review.supplied_by(s, r) y on true) e on true
    where not l.removed and l.tenant_id = any ((s).tenants) and l.at <= (s).as_of and l.at < (s).to_at and (e.at is null or e.at >= (s).from_at) order by l.at, l.id) x
$$;
-- Which accounts were said to be one person's in the period: where both are within reach.
create function review.evidence_312a2i_account_links(s review.bundle_scope) returns setof json language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_json(x) from (select u.slug as "user", o.slug as same_as, l.reason, b.slug as linked_by, l.linked_at, c.slug as ended_by, e.at as ended_at, e.reason as end_reason,
      review.event_of(s, tenancy.installation(), 'configure', l.linked_at, jsonb_build_object('accounts', jsonb_build_array(l.user_id, l.same_as), 'one_person', true)) as event_id,
      coalesce(review.event_of(s, tenancy.installation(), 'configure', e.at, jsonb_build_object('accounts', jsonb_build_array(l.user_id, l.same_as), 'one_person', false)),
        review.event_of(s, tenancy.installation(), 'configure', e.at, jsonb_build_object('accounts', jsonb_build_array(l.same_as, l.user_id), 'one_person', false))) as ended_as
    from tenancy.account_link l join tenancy.users u on u.id = l.user_id join tenancy.users o on o.id = l.same_as join tenancy.users b on b.id = l.linked_by
      cross join lateral (select case when l.ended_at <= (s).as_of then l.ended_at end as at, case when l.ended_at <= (s).as_of then l.end_reason end as reason) e left join tenancy.users c on c.id = l.ended_by and e.at is not null
    where l.linked_at <= (s).as_of and l.linked_at < (s).to_at and (e.at is null or e.at >= (s).from_at)
      and (tenancy.installation() = any ((s).tenants) or not exists (select from unnest(array[l.user_id, l.same_as]) a where not exists (select from tenancy.membership m where m.user_id = a and m.tenant_id = any ((s).tenants) and m.started_at <= (s).as_of)))
    order by l.linked_at, l.id) x
$$;
create function tenancy.linked_accounts() returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k audit.ask := audit.the_ask('accounts');
begin
  return query select jsonb_build_object('user', review.slug_of(l.user_id), 'same_as', review.slug_of(l.same_as), 'reason', l.reason, 'linked_by', review.slug_of(l.linked_by), 'linked_at', l.linked_at,
    'ended_by', case when l.ended_by is not null then review.slug_of(l.ended_by) end, 'ended_at', l.ended_at, 'end_reason', l.end_reason) from tenancy.account_link l
    where tenancy.sees_user(k.user_id, l.user_id) or tenancy.sees_user(k.user_id, l.same_as) order by l.linked_at;
end $$;
-- +goose StatementEnd
grant execute on function tenancy.linked_accounts to ward_reviewer;
reset role;
