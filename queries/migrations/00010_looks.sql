-- What a reviewer looks at, by the same write-ahead rule as PHI: the look is recorded and committed first, and the reading functions show
-- only what the committed ask says. They take their filter from the ask, so that what was recorded is what is shown.

-- +goose Up
set local role ward_owner;

-- +goose StatementBegin
-- May this reviewer do that there? tenant null: anywhere at all (what is shown is then cut to the reach).
create function tenancy.reaches(who uuid, tenant uuid, action text) returns boolean language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return exists (select from tenancy.reviewer_grant g join tenancy.reviewer_action a on a.role = g.role and a.action = reaches.action
    where g.user_id = who and g.ended_at is null and g.starts_at <= clock_timestamp() and (g.expires_at is null or g.expires_at > clock_timestamp())
      and (g.tenant_id is null or tenant is null or g.tenant_id = tenant));
end $$;
-- The clinics that a reviewer may do that in; null: every one.
create function tenancy.reach(who uuid, action text) returns uuid[] language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare found_ids uuid[]; everywhere boolean;
begin
  select coalesce(bool_or(g.tenant_id is null), false), coalesce(array_agg(g.tenant_id) filter (where g.tenant_id is not null), '{}') into everywhere, found_ids
  from tenancy.reviewer_grant g join tenancy.reviewer_action a on a.role = g.role and a.action = reach.action
  where g.user_id = who and g.ended_at is null and g.starts_at <= clock_timestamp() and (g.expires_at is null or g.expires_at > clock_timestamp());
  return case when not everywhere then found_ids end;
end $$;
-- Who is signed in as a reviewer, with a second factor where one is required. Before anything else that a reviewer calls: not even a name is looked up earlier.
-- c, here and below: the claims, for a caller that has checked them already. Nobody but ward's own functions can call these.
create function tenancy.reviewing(c jsonb default tenancy.claims()) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if c is null or c->>'aud' <> 'review' then raise exception 'nobody is signed in as a reviewer: ward login' using errcode = '28000'; end if;
  if tenancy.must_enroll((c->>'sid')::uuid) then
    raise exception 'a second factor is required here and this session has shown none' using errcode = 'WARD4', hint = 'ward totp enroll; if you have one already, sign in again';
  end if;
  return (c->>'sub')::uuid;
end $$;
create function tenancy.reviewer(action text, tenant uuid default null, c jsonb default tenancy.claims()) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewing(c);
begin
  if not tenancy.reaches(who, tenant, action) then
    raise exception 'your grants do not let you % %', action, coalesce('at ' || (select t.slug from tenancy.tenant t where t.id = tenant), 'here') using errcode = '42501', hint = 'ward whoami lists your grants';
  end if;
  return who;
end $$;
-- A tenant by slug or id; the same answer for one that does not exist and one out of reach.
create function tenancy.tenant_named(named text, action text) returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid; who uuid := tenancy.reviewer(action);
begin
  select x.id into t from tenancy.tenant x where (x.slug = named or x.id::text = named) and tenancy.reaches(who, x.id, action);
  if t is null then raise exception 'no clinic "%" within your reach', named using errcode = '02000', hint = 'ward tenant list shows those you reach'; end if;
  return t;
end $$;
create function tenancy.user_named(who text) returns uuid language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare u uuid;
begin
  select x.id into u from tenancy.users x where x.slug = who or x.id::text = who;
  if u is null then raise exception 'no user "%"', who using errcode = '02000', hint = 'ward user list shows them'; end if;
  return u;
end $$;

-- Records a look and permits it for the review lease. An event in the installation tenant names the screen and filter; each clinic shown gets its own with the ids.
create function audit.look(ask uuid, what text, action text, shown jsonb, filter jsonb, ids uuid[], tenant uuid default null, c jsonb default tenancy.claims()) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tenant is null then
    insert into audit.event (tenant_id, user_id, actor_kind, session_id, disclosure_id, action, purpose, detail)
    select x.t, (c->>'sub')::uuid, coalesce(c->>'kind', 'unknown'), (c->>'sid')::uuid, ask, look.action, 'audit', (jsonb_build_object('screen', what, 'filter', filter) || x.listed)::text
    from (select tenancy.installation(), jsonb_build_object('shown', coalesce(cardinality(ids), 0)) union all
      select key::uuid, jsonb_build_object('ids', value) from jsonb_each(coalesce(shown, '{}'))) x(t, listed);
  else
    perform audit.write(tenant, action, 'ok', jsonb_build_object('screen', what, 'filter', filter, 'ids', coalesce(to_jsonb(ids), '[]'))::text, null, null, null, 'audit', ask, c);
  end if;
  perform audit.remember(ask, what, ids, filter, (select s.review_lease from tenancy.setting s where s.one), tenant, c);
end $$;
create function audit.the_ask(what text, c jsonb default tenancy.claims()) returns audit.ask language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask;
begin
  select * into a from audit.asked(what, c) x order by x.expires_at desc limit 1;
  if not found then raise exception 'this look was not recorded, or its lease is over: open it again' using errcode = '42501'; end if;
  -- a reach that has ended since ends the lease: here for what was leased of one clinic; what spans several is cut to the reach by its reader
  perform tenancy.reviewer('browse', a.tenant_id, c);
  return a;
end $$;

create function tenancy.whoami() returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare c jsonb := tenancy.claims();
begin
  if c is null then raise exception 'nobody is signed in: ward login' using errcode = '28000'; end if;
  perform audit.write(coalesce((c->>'tid')::uuid, tenancy.installation()), 'browse', 'ok', '{"screen":"whoami"}');
  return (select jsonb_build_object('user_id', u.id, 'slug', u.slug, 'name', u.name, 'session_id', c->>'sid', 'region', tenancy.region_here(), 'must_enroll', c->>'aud' = 'review' and tenancy.must_enroll((c->>'sid')::uuid),
    'session_expires_at', (select s.expires_at from tenancy.session s where s.session_id = (c->>'sid')::uuid),
    'grants', coalesce((select jsonb_agg(jsonb_build_object('id', g.id, 'role', g.role, 'tenant', t.slug, 'expires_at', g.expires_at, 'reason', g.reason) order by g.starts_at)
      from tenancy.reviewer_grant g left join tenancy.tenant t on t.id = g.tenant_id where g.user_id = u.id and g.ended_at is null and g.starts_at <= clock_timestamp() and (g.expires_at is null or g.expires_at > clock_timestamp())), '[]'),
    'on_call', coalesce((select jsonb_agg(coalesce(t.slug, '*') order by t.slug nulls first) from tenancy.on_call o left join tenancy.tenant t on t.id = o.tenant_id where o.user_id = u.id and o.removed_at is null), '[]'),
    'actions', coalesce((select jsonb_agg(distinct a.action order by a.action) from tenancy.reviewer_grant g join tenancy.reviewer_action a on a.role = g.role
      where g.user_id = u.id and g.ended_at is null and (g.expires_at is null or g.expires_at > clock_timestamp())), '[]'))
    from tenancy.users u where u.id = (c->>'sub')::uuid);
end $$;

-- Events of one tenant. audit.open leases them for a quarter of an hour; audit.search narrows a lease that is open and is an event of its own;
-- paging and following the tail within a lease add none. filter: {"actor": [slug], "action": [..], "outcome", "record_table", "record_id", "subject_id",
-- "purpose", "session_id", "from", "to"}, each optional.
create function audit.checked_filter(filter jsonb) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare bad text; f jsonb := coalesce(filter, '{}'); k text;
begin
  if jsonb_typeof(f) <> 'object' then raise exception 'a filter is a JSON object' using errcode = '22023'; end if;
  select string_agg(x, ', ') into bad from jsonb_object_keys(f) x where x not in ('actor', 'action', 'outcome', 'record_table', 'record_id', 'subject_id', 'purpose', 'session_id', 'from', 'to', 'event_ids');
  if bad is not null then raise exception 'unknown filter: %', bad using errcode = '22023', hint = 'actor, action, outcome, record_table, record_id, subject_id, purpose, session_id, from, to'; end if;
  if f ? 'actor' then
    f := f || jsonb_build_object('actor_ids', (select jsonb_agg(tenancy.user_named(x)) from jsonb_array_elements_text(f->'actor') x));
  end if;
  begin
    perform (f->>'record_id')::uuid, (f->>'subject_id')::uuid, (f->>'session_id')::uuid, (f->>'from')::timestamptz, (f->>'to')::timestamptz;
    foreach k in array array['actor', 'action', 'event_ids'] loop perform jsonb_array_length(f->k); end loop;
  exception when data_exception then raise exception 'a filter value is not of its kind: ids are uuids, times are RFC 3339, actor and action are lists' using errcode = '22023';
  end;
  return f;
end $$;
create function audit.open(ask uuid, tenant text, reason text, filter jsonb default '{}', ticket text default null) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid := tenancy.tenant_named(tenant, 'open'); f jsonb := audit.checked_filter(filter);
begin
  if length(btrim(coalesce(reason, ''), E' \t\r\n')) < 4 then raise exception 'opening a clinic''s audit rows needs a reason of at least four characters' using errcode = '22023'; end if;
  perform audit.write(t, 'open', 'ok', jsonb_build_object('screen', 'events', 'reason', reason, 'ticket', ticket, 'filter', f)::text, null, null, null, 'audit', ask);
  perform audit.remember(ask, 'events', null, jsonb_build_object('filter', f, 'reason', reason), (select review_lease from tenancy.setting), t);
end $$;
create function audit.search(ask uuid, filter jsonb) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('events'); f jsonb := audit.checked_filter(filter);
begin
  perform tenancy.reviewer('search', a.tenant_id);
  perform audit.write(a.tenant_id, 'search', 'ok', jsonb_build_object('screen', 'events', 'filter', f)::text, null, null, null, 'audit', ask);
  perform audit.remember(ask, 'events', null, jsonb_build_object('filter', f, 'reason', a.payload->>'reason'), a.expires_at - clock_timestamp(), a.tenant_id);
end $$;

-- One page of the leased events. older: before (at, id), newest first; otherwise after it, oldest first. A null position is the newest (or oldest) end.
create function audit.events(older boolean default true, pos_at timestamptz default null, pos_id bigint default null, max_rows int default 200) returns table (
  event_id bigint, recorded_at timestamptz, occurred_at timestamptz, actor text, actor_id uuid, actor_kind text, action text, outcome text, record_table text, record_id uuid, patient_id uuid,
  purpose text, session_id uuid, membership_id uuid, disclosure_id uuid, detail text, source text, seq bigint, hash bytea) language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a audit.ask := audit.the_ask('events'); f jsonb := a.payload->'filter'; cond text := ''; k text;
begin
  if max_rows not between 1 and 5000 then raise exception 'a page is 1 to 5,000 rows' using errcode = '22023'; end if;
  foreach k in array array['outcome', 'record_table', 'purpose'] loop
    if f ? k then cond := cond || format(' and e.%I = %L', k, f->>k); end if;
  end loop;
  foreach k in array array['record_id', 'session_id'] loop
    if f ? k then cond := cond || format(' and e.%I = %L::uuid', k, f->>k); end if;
  end loop;
  if f ? 'subject_id' then cond := cond || format(' and (e.subject_id = %1$L::uuid or exists (select from tenancy.record r where r.record_id = e.record_id and r.record_table = e.record_table and r.tenant_id = e.tenant_id and r.subject_id = %1$L::uuid))', f->>'subject_id'); end if;
  if f ? 'actor_ids' then cond := cond || format(' and e.user_id = any (%L::uuid[])', translate(f->>'actor_ids', '[]"', '{}')); end if;
  if f ? 'action' then cond := cond || format(' and e.action = any (array(select jsonb_array_elements_text(%L::jsonb)))', f->>'action'); end if;
  if f ? 'event_ids' then cond := cond || format(' and e.event_id = any (array(select x::bigint from jsonb_array_elements_text(%L::jsonb) x))', f->>'event_ids'); end if;
  if f ? 'from' then cond := cond || format(' and e.recorded_at >= %L::timestamptz', f->>'from'); end if;
  if f ? 'to' then cond := cond || format(' and e.recorded_at < %L::timestamptz', f->>'to'); end if;
  if pos_at is not null then cond := cond || format(' and (e.recorded_at, e.event_id) %s (%L::timestamptz, %s)', case when older then '<' else '>' end, pos_at, pos_id); end if;
  return query execute format('select e.event_id, e.recorded_at, e.occurred_at, u.slug, e.user_id, e.actor_kind::text, e.action::text, e.outcome::text, e.record_table, e.record_id, coalesce(e.subject_id, r.subject_id),
      e.purpose::text, e.session_id, e.membership_id, e.disclosure_id, e.detail, e.source::text, c.seq, c.hash
    from (select * from audit.event e where e.tenant_id = %1$L%2$s order by e.recorded_at %3$s, e.event_id %3$s limit %4$s) e
      left join tenancy.users u on u.id = e.user_id left join audit.chain c on c.event_id = e.event_id
      left join tenancy.record r on r.record_id = e.record_id and r.record_table = e.record_table and r.tenant_id = e.tenant_id
    order by e.recorded_at %3$s, e.event_id %3$s', a.tenant_id, cond, case when older then 'desc' else 'asc' end, max_rows);
end $$;
-- +goose StatementEnd
grant execute on function audit.open, audit.search, audit.events to ward_reviewer;
grant execute on function tenancy.whoami to ward_reviewer, ward_app;
reset role;
