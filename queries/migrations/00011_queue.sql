-- The anomaly queue as a reviewer works it: looks by write-ahead, changes by version, four eyes by constraint.
-- Errors that a program acts on: WARD1 somebody changed it since, WARD2 separation of duties, WARD3 not yours to edit now.

-- +goose Up
set local role ward_owner;

-- +goose StatementBegin
create function review.today() returns date language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (clock_timestamp() at time zone 'UTC')::date;
end $$;
-- The n-th day from Monday to Friday after a date. Holidays are not known here.
create function review.business_day(start date, n int) returns date language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return (select d::date from generate_series(start + 1, start + 2 * n + 3, '1 day') d where extract(isodow from d) < 6 order by d offset n - 1 limit 1);
end $$;

-- What narrows the queue, as a condition on review.anomaly a. lead: the columns of one clinic and one rule, which then stand first in the order and are put as ranges: as equalities, the
-- planner would drop them from the order and be free to walk the whole queue, filtering, in the hope that what is asked for comes early. A rule has one severity, so it does not.
create function review.condition(f jsonb, who uuid, out cond text, out lead text) language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare reach uuid[] := tenancy.reach(who, 'browse'); tenant uuid; rules text[]; unknown jsonb := f - array['state', 'rule', 'severity', 'tenant', 'actor', 'mine', 'due', 'ids', 'sort', 'after', 'limit'];
begin
  if unknown <> '{}' then raise exception 'unknown filter: %', (select string_agg(x, ', ') from jsonb_object_keys(unknown) x) using errcode = '22023', hint = 'state, rule, severity, tenant, actor, mine, due, ids, sort'; end if;
  if f ? 'tenant' then tenant := tenancy.tenant_named(f->>'tenant', 'browse');
  elsif cardinality(reach) = 1 then tenant := reach[1]; end if;
  if tenant is not null then lead := 'a.tenant_id';
    cond := format('a.tenant_id between %1$L and %1$L', tenant);
  else cond := case when reach is null then 'true' else format('a.tenant_id = any (%L::uuid[])', reach) end;
  end if;
  if not f ? 'ids' and (not f ? 'state' or not f->'state' ?| array['closed', 'merged', 'suppressed']) then cond := cond || ' and a.open'; end if;
  if f ? 'state' then
    cond := cond || format(' and a.state = any (%L)', array(select jsonb_array_elements_text(f->'state'))) || case when not f->'state' ? 'new' then ' and a.state <> ''new''' else '' end;
  end if;
  if f ? 'severity' then
    cond := cond || (select format(' and a.rank between %s and %s and a.severity = any (%L)', min(array_position(s, x)), max(array_position(s, x)), array_agg(x))
      from (values (array['critical', 'high', 'medium', 'low'])) v(s), jsonb_array_elements_text(f->'severity') x);
    if cond is null then raise exception 'severities are critical, high, medium, low' using errcode = '22023'; end if;
    if jsonb_array_length(f->'severity') = 1 then cond := cond || format(' and a.rank = %s', array_position(array['critical', 'high', 'medium', 'low'], f->'severity'->>0)); end if;
  end if;
  if f ? 'rule' then
    select array_agg(r.id) into rules from review.rule r where starts_with(r.id, f->>'rule');
    if cardinality(rules) = 1 then lead := concat_ws(', ', lead, 'a.rule_id'); end if;
    cond := cond || case when cardinality(rules) = 1 then format(' and a.rule_id between %1$L and %1$L', rules[1]) else format(' and a.rule_id = any (%L)', coalesce(rules, '{}')) end;
  end if;
  if f ? 'actor' then cond := cond || format(' and a.actor_id = %L', tenancy.user_named(f->>'actor')); end if;
  -- one that went back to new is anybody's again, whomever it is assigned to
  if (f->>'mine')::boolean then cond := cond || format(' and (a.assigned_to = %L or a.assigned_to is null or a.state = ''new'')', who); end if;
  if f ? 'due' then cond := cond || format(' and a.due_on <= %L::date', review.today() + (f->>'due')::int); end if;
  if f ? 'ids' then cond := cond || format(' and a.id = any (array(select x::uuid from jsonb_array_elements_text(%L::jsonb) x))', f->>'ids'); end if;
end $$;

-- One page of the queue. filter: {"state": [..] (default: all that are open), "rule": prefix, "severity": [..], "tenant": slug, "actor": slug, "mine": true, "due": days until somebody must be
-- notified, at most, "ids": [..] (whatever their state), "sort": "worst" (default), "due" (the legal clock) or "close" (the time to close it), "after": id of the last one seen, "limit": n}.
create function review.browse(ask uuid, filter jsonb default '{}') returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare c jsonb := tenancy.claims(); who uuid := tenancy.reviewer('browse', null, c); f jsonb := coalesce(filter, '{}'); cond text; lead text; ordering text; found_ids uuid[]; tenants uuid[]; shown jsonb;
  n int := coalesce((f->>'limit')::int, 100); p review.anomaly;
begin
  if n not between 1 and 500 then raise exception 'a page is 1 to 500 anomalies' using errcode = '22023'; end if;
  select x.cond, x.lead into cond, lead from review.condition(f, who) x;
  ordering := case coalesce(f->>'sort', 'worst') when 'worst' then 'a.rank, a.created_at, a.id' when 'due' then 'a.due_on, a.rank, a.id' when 'close' then 'a.close_by, a.rank, a.id' end;
  if ordering is null then raise exception 'the queue is sorted by worst, due or close' using errcode = '22023'; end if;
  ordering := concat_ws(', ', lead, ordering);
  if f ? 'after' then
    select * into p from review.anomaly a where a.id = (f->>'after')::uuid and tenancy.reaches(who, a.tenant_id, 'browse');
    if not found then raise exception 'no anomaly "%" within your reach to continue after', f->>'after' using errcode = '02000'; end if;
    cond := cond || format(' and (%s) > (select %s from review.anomaly a where a.id = %L)', ordering, ordering, p.id);
  end if;
  -- the simplest statement that does it, since it is planned each time
  execute format('select array_agg(a.id), array_agg(a.tenant_id) from (select a.id, a.tenant_id from review.anomaly a where %1$s order by %2$s limit %3$s) a', cond, ordering, n) into found_ids, tenants;
  select jsonb_object_agg(x.tenant, x.ids) into shown from (select x.tenant, jsonb_agg(x.id) as ids from unnest(tenants, found_ids) x(tenant, id) group by x.tenant) x;
  perform audit.look(ask, 'queue', 'browse', shown, f, coalesce(found_ids, '{}'), null, c);
end $$;

-- The anomaly of that id or beginning of one. Whoever is to do more than look at it is no party to it.
create function review.anomaly_within(anomaly text, action text) returns review.anomaly language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly; who uuid := tenancy.reviewer(action); n int; hex text := lower(replace(anomaly, '-', ''));
begin
  if anomaly !~ '^[0-9a-fA-F-]{4,36}$' or length(hex) not between 3 and 32 then raise exception '"%" is not an anomaly id: give at least its first four characters', anomaly using errcode = '22023'; end if;
  select count(*) into n from review.anomaly x where x.id between rpad(hex, 32, '0')::uuid and rpad(hex, 32, 'f')::uuid and starts_with(x.id::text, lower(anomaly)) and tenancy.reaches(who, x.tenant_id, action);
  if n > 1 then raise exception '% anomalies begin with "%": give more of the id', n, anomaly using errcode = '22023'; end if;
  select * into a from review.anomaly x where x.id between rpad(hex, 32, '0')::uuid and rpad(hex, 32, 'f')::uuid and starts_with(x.id::text, lower(anomaly)) and tenancy.reaches(who, x.tenant_id, action);
  if a.id is null then raise exception 'no anomaly "%" within your reach', anomaly using errcode = '02000', hint = 'ward queue list shows the open ones'; end if;
  if action <> 'browse' then perform review.need_apart(who, a.id, a.actor_id, a.subject_id); end if;
  return a;
end $$;

create function review.open(ask uuid, anomaly text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'browse');
begin
  perform audit.look(ask, 'anomaly', 'open', null, jsonb_build_object('anomaly', a.id), array[a.id], a.tenant_id);
end $$;
create function review.details() returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k audit.ask := audit.the_ask('anomaly'); a review.anomaly;
begin
  select * into a from review.anomaly x where x.id = k.ids[1];
  return jsonb_build_object(
    'anomaly', (select to_jsonb(r) from review.anomaly_row r where r.id = a.id),
    'rule', (select r.front_matter from review.rule r where r.id = a.rule_id),
    'evidence', coalesce((select jsonb_agg(jsonb_build_object('event_id', e.event_id, 'recorded_at', e.recorded_at, 'at', e.at, 'action', e.action, 'outcome', e.outcome, 'record_table', e.record_table, 'record_id', e.record_id,
      'patient_id', e.subject_id, 'session_id', e.session_id, 'purpose', e.purpose, 'seq', e.seq) order by e.at, e.event_id) from (select * from review.evidence e where e.anomaly_id = a.id order by e.at, e.event_id limit 500) e), '[]'),
    'notes', coalesce((select jsonb_agg(jsonb_build_object('by', u.slug, 'at', n.at, 'text', n.text) order by n.id) from review.note n join tenancy.users u on u.id = n.by_user where n.anomaly_id = a.id), '[]'),
    'history', coalesce((select jsonb_agg(jsonb_build_object('version', t.version, 'from', t.from_state, 'to', t.to_state, 'by', u.slug, 'at', t.at, 'reason', t.reason, 'disposition', t.disposition) order by t.version)
      from review.transition t left join tenancy.users u on u.id = t.by_user where t.anomaly_id = a.id), '[]'),
    -- of the same time, a week around: what the person's other accesses were
    'explained', review.explained_for(a.tenant_id, a.actor_id, a.first_at - interval '7 days', a.last_at + interval '7 days'),
    'closed_same_rule', (select count(*) from review.anomaly x where x.rule_id = a.rule_id and x.tenant_id = a.tenant_id and x.state = 'closed'),
    'closed_same_actor', (select count(*) from review.anomaly x where x.actor_id = a.actor_id and x.state = 'closed'),
    'dispositions', review.dispositions(a.tier)) || review.casework(a);
end $$;

-- The anomaly as it is now, locked; an error where it is not what the reviewer saw.
create function review.as_seen(anomaly uuid, seen int) returns review.anomaly language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare now_is review.anomaly;
begin
  select * into now_is from review.anomaly x where x.id = anomaly for update;
  if now_is.version is distinct from seen then
    raise exception 'somebody changed this anomaly since you saw it: it is % now (version %, you saw %)', now_is.state, now_is.version, seen using errcode = 'WARD1', hint = 'look at it again, then decide';
  end if;
  return now_is;
end $$;
-- One change: checks the version that the reviewer saw, records the event, then the transition. Whoever holds the claim and works holds it for 30 minutes more. extra: more for the event.
create function review.change(a review.anomaly, seen int, action text, to_state text, who uuid, reason text, disposition text default null, extra jsonb default '{}') returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare e bigint; now_is review.anomaly := review.as_seen(a.id, seen);
begin
  -- a is what the caller judged: whoever names a version that is yet to come, and waits for the lock, was judged by the one before
  if a.version is distinct from seen then raise exception 'somebody changed this anomaly while you did' using errcode = 'WARD1', hint = 'look at it again, then decide'; end if;
  e := audit.write(a.tenant_id, action, 'ok', jsonb_strip_nulls(jsonb_build_object('anomaly', a.id, 'from', now_is.state, 'to', to_state, 'version', seen + 1, 'disposition', disposition, 'reason', reason) || extra)::text,
    null, null, a.subject_id, 'audit');
  update review.anomaly x set state = to_state, version = seen + 1, lease_until = case when x.assigned_to = who and x.lease_until is not null then clock_timestamp() + interval '30 minutes' else x.lease_until end where x.id = a.id;
  insert into review.transition (anomaly_id, version, from_state, to_state, by_user, reason, disposition, evidence, event_id, batch_id)
  values (a.id, seen + 1, now_is.state, to_state, who, reason, disposition, now_is.evidence_count, e, (extra->>'batch_id')::uuid);
  return jsonb_build_object('id', a.id, 'state', to_state, 'version', seen + 1, 'event_id', e);
end $$;
create function review.need_reason(reason text) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  reason := btrim(reason, E' \t\r\n');
  if length(coalesce(reason, '')) < 4 then raise exception 'a reason of at least four characters is needed: it has to hold years later' using errcode = '22023'; end if;
  return reason;
end $$;
create function review.slug_of(who uuid) returns text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select u.slug from tenancy.users u where u.id = who), 'nobody');
end $$;
-- state and lease in one place: who may edit now
create function review.need_lease(a review.anomaly, who uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if a.state not in ('claimed', 'in_review', 'waiting_info', 'escalated') then raise exception 'this anomaly is %: claim it first', a.state using errcode = 'WARD3'; end if;
  if a.assigned_to is distinct from who then
    raise exception 'this anomaly is %''s', review.slug_of(a.assigned_to) using errcode = 'WARD3', hint = 'take it over with a reason';
  end if;
  if a.lease_until is null or a.lease_until < clock_timestamp() then raise exception 'your 30 minutes to edit are over: claim it again' using errcode = 'WARD3'; end if;
end $$;

create function review.need_claimable(a review.anomaly) returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if a.state in ('closed', 'merged', 'suppressed', 'pending_approval') then raise exception 'this anomaly is %: there is nothing to claim', a.state using errcode = 'WARD3'; end if;
end $$;
create function review.claim(anomaly text, seen int) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'claim'); who uuid := tenancy.user_id(); r jsonb;
begin
  perform review.need_claimable(a);
  if a.assigned_to is distinct from who and a.lease_until > clock_timestamp() then
    raise exception '% is editing this anomaly until %', review.slug_of(a.assigned_to), to_char(a.lease_until at time zone 'UTC', 'HH24:MI "UTC"') using errcode = 'WARD3', hint = 'ask, or take it over with a reason';
  end if;
  -- what somebody has begun, or was given, is theirs; a claim that nothing came of is not
  if a.assigned_to <> who and a.state <> 'new' and not (a.state = 'claimed' and a.lease_until is not null) then
    raise exception 'this anomaly is %''s', review.slug_of(a.assigned_to) using errcode = 'WARD3', hint = 'take it over with a reason';
  end if;
  r := review.change(a, seen, 'claim', case when a.state = 'new' then 'claimed' else a.state end, who, null);
  update review.anomaly x set assigned_to = who, lease_until = clock_timestamp() + interval '30 minutes' where x.id = a.id;
  return r;
end $$;
-- Taking over what is somebody else's, also while they edit: with a reason, which their next change will show them.
create function review.take(anomaly text, seen int, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'claim'); who uuid := tenancy.user_id(); r jsonb;
begin
  perform review.need_claimable(a);
  if a.assigned_to is null or a.assigned_to = who then raise exception 'this anomaly is nobody else''s: claim it' using errcode = 'WARD3'; end if;
  r := review.change(a, seen, 'claim', case when a.state = 'new' then 'claimed' else a.state end, who, review.need_reason(reason), null, jsonb_build_object('taken_from', review.slug_of(a.assigned_to)));
  update review.anomaly x set assigned_to = who, lease_until = clock_timestamp() + interval '30 minutes' where x.id = a.id;
  return r;
end $$;
create function review.release(anomaly text, seen int, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'assign'); who uuid := tenancy.user_id(); r jsonb;
begin
  perform review.need_lease(a, who);
  r := review.change(a, seen, 'assign', case when a.state = 'escalated' then a.state else 'new' end, who, review.need_reason(reason));  -- an incident stays one
  update review.anomaly x set assigned_to = null, lease_until = null where x.id = a.id;
  return r;
end $$;
create function review.assign(anomaly text, seen int, to_user text, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'assign'); who uuid := tenancy.user_id(); u uuid := tenancy.user_named(to_user); r jsonb;
begin
  if not tenancy.reaches(u, a.tenant_id, 'claim') then raise exception '% does not review this clinic', to_user using errcode = '42501'; end if;
  perform review.need_apart(u, a.id, a.actor_id, a.subject_id);
  if a.state in ('closed', 'merged', 'suppressed', 'pending_approval') then raise exception 'this anomaly is %', a.state using errcode = 'WARD3'; end if;
  r := review.change(a, seen, 'assign', case when a.state = 'new' then 'claimed' else a.state end, who, review.need_reason(reason));
  update review.anomaly x set assigned_to = u, lease_until = null where x.id = a.id;
  return r;
end $$;
create function review.note(anomaly text, said text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'note'); who uuid := tenancy.user_id(); e bigint;
begin
  if btrim(coalesce(said, ''), E' \t\r\n') = '' then raise exception 'a note needs text' using errcode = '22023'; end if;
  e := audit.write(a.tenant_id, 'note', 'ok', jsonb_build_object('anomaly', a.id, 'sha256', encode(sha256(convert_to(said, 'utf8')), 'hex'))::text, null, null, a.subject_id, 'audit');
  insert into review.note (anomaly_id, by_user, text) values (a.id, who, said);
  return jsonb_build_object('id', a.id, 'state', a.state, 'version', a.version, 'event_id', e);
end $$;
create function review.wait(anomaly text, seen int, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'note'); who uuid := tenancy.user_id();
begin
  perform review.need_lease(a, who);
  if a.state = 'escalated' then raise exception 'this anomaly is with the incident process: note what is missing there' using errcode = 'WARD3'; end if;
  return review.change(a, seen, 'note', 'waiting_info', who, review.need_reason(reason));
end $$;

create function review.final_state(disposition text) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as
$$ begin return case disposition when 'duplicate' then 'merged' else 'closed' end; end $$;

-- Closes what the caller may close: final at once, or pending the approval of somebody else where the tier or the disposition asks for a second person. One closed as a duplicate is merged into the other.
create function review.shut(a review.anomaly, seen int, disposition text, reason text, fields jsonb, who uuid, extra jsonb default '{}') returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare d review.disposition; r jsonb;
begin
  select * into d from review.disposition x where x.name = disposition;
  if not found then
    raise exception 'no disposition "%": one of %', disposition, (select string_agg(x.name, ', ' order by x.name) from review.disposition x) using errcode = '22023';
  end if;
  reason := review.need_reason(reason);
  perform review.as_seen(a.id, seen);
  perform review.fill(a, seen + 1, disposition, coalesce(fields, '{}'), who);
  -- the columns that a closed state demands come first
  update review.anomaly x set disposition = d.name, closed_by = who, closed_at = clock_timestamp(), close_reason = shut.reason, approved_by = null, closed_version = seen + 1 where x.id = a.id;
  r := review.change(a, seen, 'close', case when d.second_person or a.tier = 'A' then 'pending_approval' else review.final_state(d.name) end, who, reason, disposition, extra);
  update review.anomaly x set lease_until = null where x.id = a.id;
  perform review.settle(a.id, who);
  return r;
end $$;
-- fields: what the disposition demands, by name (review.disposition_field).
create function review.close(anomaly text, seen int, disposition text, reason text, fields jsonb default '{}') returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'close'); who uuid := tenancy.user_id();
begin
  perform review.need_lease(a, who);
  return review.shut(a, seen, disposition, reason, fields, who);
end $$;
-- Closes up to 50 alike: one rule, one clinic, one disposition that permits it, none of tier A. items: [{"id", "version"}], expected: how many the reviewer says they are. New ones and the
-- reviewer's own; all or none. One event and one transition each, which share the batch.
create function review.close_many(batch uuid, items jsonb, expected int, disposition text, reason text, fields jsonb default '{}') returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('close'); n int := jsonb_array_length(items); x record; a review.anomaly; first review.anomaly;
begin
  if n not between 1 and 50 then raise exception 'one closing takes 1 to 50 anomalies, not %', n using errcode = '22023'; end if;
  if n is distinct from expected or n <> (select count(distinct i->>'id') from jsonb_array_elements(items) i) then
    raise exception 'these are % anomalies, not %: nothing was closed', (select count(distinct i->>'id') from jsonb_array_elements(items) i), coalesce(expected, 0) using errcode = '22023';
  end if;
  if batch is null then raise exception 'a batch needs an id: choose a random uuid' using errcode = '22004'; end if;
  if exists (select from review.disposition d where d.name = close_many.disposition and not d.bulk) then
    raise exception '% is decided one anomaly at a time', disposition using errcode = '22023';
  end if;
  -- What they are together is judged before what each is, so that the answer does not hang on the order of random ids.
  for x in select i->>'id' as id from jsonb_array_elements(items) i order by 1 loop
    a := review.anomaly_within(x.id, 'close');
    if first.id is null then first := a; end if;
    if (a.rule_id, a.tenant_id) is distinct from (first.rule_id, first.tenant_id) then raise exception 'anomalies closed together are of one rule and one clinic' using errcode = '22023'; end if;
  end loop;
  if first.tier = 'A' then raise exception 'an anomaly of tier A is decided by itself' using errcode = '22023'; end if;
  for x in select i->>'id' as id, (i->>'version')::int as version from jsonb_array_elements(items) i order by 1 loop
    a := review.anomaly_within(x.id, 'close');
    if a.state not in ('new', 'claimed', 'in_review', 'waiting_info') then raise exception 'anomaly % is %: nothing was closed', left(a.id::text, 8), a.state using errcode = 'WARD3'; end if;
    if a.assigned_to <> who and a.state <> 'new' then raise exception 'anomaly % is %''s: nothing was closed', left(a.id::text, 8), review.slug_of(a.assigned_to) using errcode = 'WARD3'; end if;
    perform review.as_seen(a.id, x.version);
    update review.anomaly y set assigned_to = who where y.id = a.id;
    return next review.shut(a, x.version, disposition, reason, fields, who, jsonb_build_object('batch_id', batch));
  end loop;
end $$;
-- accept false sends it back to the one who closed it.
create function review.approve(anomaly text, seen int, accept boolean, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'approve'); who uuid := tenancy.user_id(); r jsonb;
begin
  if a.state <> 'pending_approval' then raise exception 'this anomaly is %: there is no closing to approve', a.state using errcode = 'WARD3'; end if;
  if a.closed_by = any (tenancy.accounts_of(who)) then raise exception 'you closed this anomaly: somebody else approves it' using errcode = 'WARD2'; end if;
  if accept then
    update review.anomaly x set approved_by = who where x.id = a.id and x.version = seen;
    r := review.change(a, seen, 'approve', review.final_state(a.disposition), who, review.need_reason(reason), a.disposition);
  else
    r := review.change(a, seen, 'reopen', 'in_review', who, review.need_reason(reason));
    perform review.unclose(a.id);
  end if;
  perform review.settle(a.id, who);
  return r;
end $$;
create function review.escalate(anomaly text, seen int, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'escalate'); who uuid := tenancy.user_id();
begin
  perform review.need_lease(a, who);
  return review.change(a, seen, 'escalate', 'escalated', who, review.need_reason(reason));
end $$;
create function review.reopen(anomaly text, seen int, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'reopen'); who uuid := tenancy.user_id(); r jsonb;
begin
  if a.state not in ('closed', 'merged') then raise exception 'this anomaly is %, not closed', a.state using errcode = 'WARD3'; end if;
  if exists (select from review.anomaly x where x.key = a.key and x.id <> a.id and x.open) then
    raise exception 'it has happened again since: work the newer anomaly' using errcode = 'WARD3';
  end if;
  r := review.change(a, seen, 'reopen', 'in_review', who, review.need_reason(reason));
  perform review.unclose(a.id);
  update review.anomaly x set assigned_to = who, lease_until = clock_timestamp() + interval '30 minutes' where x.id = a.id;
  perform review.settle(a.id, who);
  return r;
end $$;

-- The four factors of 164.402(2), each in words. What the log knows goes with them. From then on the anomaly is in review.
create function review.assess(anomaly text, seen int, nature text, recipient text, acquired text, mitigated text, outcome text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'note'); who uuid := tenancy.user_id(); r jsonb; f text[]; thin text;
begin
  perform review.need_lease(a, who);
  if outcome not in ('low_probability', 'breach') then raise exception 'an assessment ends in low_probability or breach' using errcode = '22023'; end if;
  f := array[btrim(nature, E' \t\r\n'), btrim(recipient, E' \t\r\n'), btrim(acquired, E' \t\r\n'), btrim(mitigated, E' \t\r\n')];
  select string_agg(name, ', ') into thin from unnest(f, array['nature', 'recipient', 'acquired', 'mitigated']) x(said, name) where length(coalesce(said, '')) not between 10 and 10000;
  if thin is not null then raise exception 'each of the four factors needs ten characters at least, and 10,000 at most: %', thin using errcode = '22023'; end if;
  r := review.change(a, seen, 'note', case when a.state = 'claimed' then 'in_review' else a.state end, who, 'four factors assessed: ' || outcome, null, jsonb_build_object('assessment', outcome));
  insert into review.assessment (anomaly_id, nature, recipient, acquired, mitigated, outcome, facts, by_user, event_id) values (a.id, f[1], f[2], f[3], f[4], outcome, review.log_facts(a), who, (r->>'event_id')::bigint);
  return r;
end $$;
-- Another date of discovery is proposed by one and confirmed or refused by another.
create function review.discovered(anomaly text, seen int, discovered_on date, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'note'); who uuid := tenancy.user_id(); r jsonb;
begin
  if discovered_on is null then raise exception 'a date of discovery is a day like 2026-01-31' using errcode = '22023'; end if;
  r := review.change(a, seen, 'note', a.state, who, review.need_reason(reason), null, jsonb_build_object('discovered_on', discovered_on, 'was', a.discovered_on));
  insert into review.discovery (anomaly_id, discovered_on, reason, by_user, event_id) values (a.id, discovered_on, review.need_reason(reason), who, (r->>'event_id')::bigint);
  return r;
end $$;
create function review.confirm(anomaly text, seen int, accept boolean, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'approve'); who uuid := tenancy.user_id(); r jsonb; d record;
begin
  select * into d from review.discovery x where x.anomaly_id = a.id and x.answers is null and not exists (select from review.discovery y where y.answers = x.id);
  if not found then raise exception 'no other date of discovery is proposed' using errcode = 'WARD3'; end if;
  if d.by_user = any (tenancy.accounts_of(who)) then raise exception 'you proposed this date: somebody else confirms it' using errcode = 'WARD2'; end if;
  r := review.change(a, seen, 'approve', a.state, who, review.need_reason(reason), null, jsonb_build_object('discovered_on', d.discovered_on, 'accepted', accept));
  insert into review.discovery (anomaly_id, answers, accepted, reason, by_user, event_id) values (a.id, d.id, accept, review.need_reason(reason), who, (r->>'event_id')::bigint);
  if accept then
    update review.anomaly x set discovered_on = d.discovered_on where x.id = a.id;
    perform review.settle(a.id, who);
  end if;
  return r;
end $$;
create function review.law_hold(anomaly text, seen int, until date, written boolean, official text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'note'); who uuid := tenancy.user_id(); r jsonb; by_whom text := btrim(official);
begin
  if until is null or until <= review.today() then raise exception 'a hold ends on a day to come' using errcode = '22023'; end if;
  if not written and until > review.today() + 30 then raise exception 'an official''s word holds for 30 days at most: after that the statement has to be in writing (164.412)' using errcode = '22023'; end if;
  if length(coalesce(by_whom, '')) < 4 then raise exception 'a hold names the official who asks for it' using errcode = '22023'; end if;
  r := review.change(a, seen, 'note', a.state, who, 'law-enforcement hold until ' || until, null, jsonb_build_object('held_until', until));
  insert into review.law_hold (anomaly_id, until, written, official, by_user, event_id) values (a.id, law_hold.until, law_hold.written, by_whom, who, (r->>'event_id')::bigint);
  perform review.settle(a.id, who);
  return r;
end $$;
-- That a notice was made, and where that is proven. Of a breach only.
create function review.noticed(anomaly text, seen int, duty text, made_on date, reference text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'note'); who uuid := tenancy.user_id(); r jsonb;
begin
  if a.state <> 'closed' or a.disposition <> 'breach' then raise exception 'notices are made of an anomaly that is closed as a breach' using errcode = 'WARD3'; end if;
  if not exists (select from review.duties(a) d where d.duty = noticed.duty) then raise exception 'of this breach nobody notifies "%": %', duty, (select string_agg(d.duty, ', ') from review.duties(a) d) using errcode = '22023'; end if;
  if made_on is null or made_on not between a.discovered_on and review.today() then raise exception 'a notice was made between the discovery and today' using errcode = '22023'; end if;
  r := review.change(a, seen, 'note', a.state, who, 'notice made: ' || duty, null, jsonb_build_object('notice', duty, 'made_on', made_on));
  insert into review.notice (anomaly_id, duty, made_on, reference, by_user, event_id) values (a.id, noticed.duty, noticed.made_on, review.need_reason(reference), who, (r->>'event_id')::bigint);
  perform review.settle(a.id, who);
  return r;
end $$;

create function review.link(anomaly text, other text, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'note'); b review.anomaly := review.anomaly_within(other, 'note'); who uuid := tenancy.user_id(); e bigint;
begin
  if a.id = b.id then raise exception 'an anomaly is linked to another one' using errcode = '22023'; end if;
  e := audit.write(a.tenant_id, 'note', 'ok', jsonb_build_object('anomaly', a.id, 'linked_to', b.id)::text, null, null, a.subject_id, 'audit');
  insert into review.link (anomaly_id, other_id, kind, reason, by_user) values (a.id, b.id, 'related', review.need_reason(reason), who);
  return jsonb_build_object('id', a.id, 'state', a.state, 'version', a.version, 'event_id', e);
exception when unique_violation then raise exception 'these two are linked already' using errcode = '23505';
end $$;
-- A file of at most 5 MiB, twenty to an anomaly.
create function review.attach(anomaly text, name text, content bytea) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'note'); who uuid := tenancy.user_id(); e bigint; h bytea := sha256(content); n int := octet_length(content);
begin
  if coalesce(n, 0) not between 1 and 5242880 then raise exception 'a file has 1 byte to 5 MiB, this one has % bytes', coalesce(n, 0) using errcode = '22023'; end if;
  if coalesce(name, '') !~ '^[^/\\[:cntrl:]]{1,200}$' then raise exception 'a file''s name has 1 to 200 characters, no slash and no control character' using errcode = '22023'; end if;
  perform 1 from review.anomaly x where x.id = a.id for update;
  if (select count(*) from review.attachment x where x.anomaly_id = a.id) >= 20 then raise exception 'twenty files are attached already' using errcode = '54000'; end if;
  if exists (select from review.attachment x where x.anomaly_id = a.id and x.sha256 = h) then raise exception 'this file is attached already' using errcode = '23505'; end if;
  e := audit.write(a.tenant_id, 'note', 'ok', jsonb_build_object('anomaly', a.id, 'file_sha256', encode(h, 'hex'), 'bytes', n)::text, null, null, a.subject_id, 'audit');
  insert into review.attachment (anomaly_id, sha256, name, bytes, content, by_user, event_id) values (a.id, h, attach.name, n, attach.content, who, e);
  return jsonb_build_object('id', a.id, 'state', a.state, 'version', a.version, 'event_id', e);
end $$;
-- Reading a file is a look of its own. file: the beginning of its SHA-256.
create function review.open_attachment(ask uuid, anomaly text, file text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'browse'); h text;
begin
  if coalesce(file, '') !~ '^[0-9a-f]{4,64}$' then raise exception 'a file is named by the beginning of its SHA-256, four characters at least' using errcode = '22023'; end if;
  begin
    select encode(x.sha256, 'hex') into strict h from review.attachment x where x.anomaly_id = a.id and starts_with(encode(x.sha256, 'hex'), file);
  exception
    when no_data_found then raise exception 'no file % is attached to this anomaly', file using errcode = '02000', hint = 'ward queue show lists them';
    when too_many_rows then raise exception 'more than one file begins with %', file using errcode = '22023';
  end;
  perform audit.look(ask, 'attachment', 'open', null, jsonb_build_object('anomaly', a.id, 'file_sha256', h), array[a.id], a.tenant_id);
end $$;
create function review.attachment_opened() returns table (name text, sha256 text, content bytea) language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k audit.ask := audit.the_ask('attachment');
begin
  return query select x.name, encode(x.sha256, 'hex'), x.content from review.attachment x where x.anomaly_id = k.ids[1] and x.sha256 = decode(k.payload->>'file_sha256', 'hex');
end $$;

-- Breaches (closed as one, or waiting for the second person) by the date of discovery; year: the log of 164.408(c), which is an export.
create function review.browse_breaches(ask uuid, year int default null) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare action text := case when year is null then 'browse' else 'export' end; who uuid := tenancy.reviewer(action); reach uuid[] := tenancy.reach(who, action); found_ids uuid[]; shown jsonb;
begin
  if year not between 2009 and 2200 then raise exception 'a year like 2026' using errcode = '22023'; end if;
  select array_agg(x.id order by x.discovered_on, x.id), jsonb_object_agg(x.tenant_id, x.ids) into found_ids, shown
  from (select a.id, a.discovered_on, a.tenant_id, jsonb_agg(a.id) over (partition by a.tenant_id) ids from review.anomaly a where a.disposition = 'breach' and (reach is null or a.tenant_id = any (reach))
    and (year is null or (a.state = 'closed' and extract(year from a.discovered_on) = year))) x;
  perform audit.look(ask, 'breaches', action, shown, jsonb_strip_nulls(jsonb_build_object('year', year)), coalesce(found_ids, '{}'));
end $$;
create function review.breaches() returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k audit.ask := audit.the_ask('breaches'); reach uuid[] := tenancy.reach(k.user_id, 'browse');
begin
  return query select review.breach_row(a) from unnest(k.ids) with ordinality x(id, n) join review.anomaly a on a.id = x.id where reach is null or a.tenant_id = any (reach) order by x.n;
end $$;

-- Terms of contracts and States, and accounts of one person: an administrator's.
create function review.set_tenant_term(tenant text, state text, contract_days int, reason text) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid := tenancy.tenant_named(tenant, 'configure'); e bigint;
begin
  if state !~ '^[A-Z]{2}$' or contract_days not between 1 and 60 then raise exception 'a State is two capital letters, a contract gives 1 to 60 days' using errcode = '22023'; end if;
  e := audit.write(t, 'configure', 'ok', jsonb_build_object('term', 'tenant', 'state', state, 'contract_days', contract_days, 'reason', reason)::text, null, null, null, 'audit');
  insert into review.tenant_term (tenant_id, state, contract_days, reason, by_user) values (t, set_tenant_term.state, set_tenant_term.contract_days, review.need_reason(reason), tenancy.user_id());
  perform review.recount(t);
  return e;
end $$;
create function review.set_state_term(state text, days int, citation text) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('configure'); e bigint;
begin
  if tenancy.reach(who, 'configure') is not null then raise exception 'a State''s term is set by who administers every clinic' using errcode = '42501'; end if;
  if coalesce(state, '') !~ '^[A-Z]{2}$' or days not between 1 and 60 then raise exception 'a State is two capital letters, its law gives 1 to 60 days' using errcode = '22023'; end if;
  e := audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('term', 'state', 'state', state, 'days', days, 'citation', citation)::text, null, null, null, 'audit');
  insert into review.state_term (state, days, citation, by_user) values (set_state_term.state, set_state_term.days, review.need_reason(citation), who);
  perform review.recount(null);
  return e;
end $$;
create function tenancy.link_accounts(account text, same_as text, reason text, ending boolean default false) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer_of('configure', null); a uuid := tenancy.user_named(account); b uuid := tenancy.user_named(same_as); e bigint;
begin
  if a = b then raise exception 'that is one account' using errcode = '22023'; end if;
  if ending and tenancy.accounts_of(who) && array[a, b] then raise exception 'these are your own accounts: another administrator parts them' using errcode = 'WARD2'; end if;
  e := audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('accounts', jsonb_build_array(a, b), 'one_person', not ending, 'reason', review.need_reason(reason))::text, null, null, null, 'audit');
  if ending then
    update tenancy.account_link l set ended_at = clock_timestamp(), ended_by = who, end_reason = review.need_reason(link_accounts.reason) where l.ended_at is null and ((l.user_id, l.same_as) in ((a, b), (b, a)));
    if not found then raise exception '% and % are not linked', account, same_as using errcode = '02000'; end if;
  else
    if b = any (tenancy.accounts_of(a)) then raise exception '% and % are accounts of one person already', account, same_as using errcode = '23505'; end if;
    insert into tenancy.account_link (user_id, same_as, linked_by, reason) values (a, b, who, review.need_reason(reason));
  end if;
  return e;
end $$;
-- What: terms, accounts or dispositions.
create function review.browse_settings(ask uuid, what text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('browse');
begin
  if what not in ('terms', 'accounts', 'dispositions') then raise exception 'terms, accounts or dispositions' using errcode = '22023'; end if;
  perform audit.look(ask, what, 'browse', null, '{}', '{}');
end $$;

-- Work that a reviewer asks for and the worker does: the event is the reviewer's. Returns the event's id, which the run then names.
create function review.request(action text, detail jsonb) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := case action when 'seal_recover' then tenancy.reviewer_of(action, null) else tenancy.reviewer(action) end; e bigint; named text[];  -- the chain is every clinic's
begin
  if action not in ('rule_run', 'ship', 'seal_recover') then raise exception 'nothing to enqueue for %', action using errcode = '22023'; end if;
  if action = 'seal_recover' and (coalesce(detail->>'reason', '') !~ '\S' or octet_length(detail->>'reason') > 1000) then raise exception 'a recovery needs a reason of at most 1000 bytes' using errcode = '22023'; end if;
  if action = 'rule_run' and detail->>'rule' is not null then
    select array_agg(r.id) into named from review.rule r where starts_with(r.id, detail->>'rule');
    if cardinality(named) > 1 then raise exception '"%" is the beginning of more than one rule: %', detail->>'rule', array_to_string(named, ', ') using errcode = '22023'; end if;
    if named is null then raise exception 'no rule "%"', detail->>'rule' using errcode = '02000', hint = 'ward rule list shows them'; end if;
    detail := detail || jsonb_build_object('rule', named[1]);
  end if;
  e := audit.write(tenancy.installation(), action, 'ok', detail::text, null, null, null, 'audit');
  insert into river.river_job (args, kind, max_attempts, queue, state) values (detail || jsonb_build_object('requested_by', who, 'event_id', e), action, 3, 'requests', 'available');
  return e;
end $$;
-- What became of the reviewer's own request: the answer to something recorded, hence no event of its own. done: the worker is through with it.
create function review.requested(event bigint) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('browse');
begin
  return (select jsonb_build_object('done', j.state in ('completed', 'cancelled', 'discarded'), 'state', j.state,
      'runs', coalesce((select jsonb_agg(jsonb_build_object('rule_id', r.rule_id, 'matched', r.matched, 'created', r.created, 'merged', r.merged, 'status', r.status, 'error', r.error) order by r.rule_id)
        from review.run r where r.event_id = event), '[]'))
    from river.river_job j where j.queue = 'requests' and (j.args ->> 'event_id')::bigint = event and j.args ->> 'requested_by' = who::text);
end $$;
-- +goose StatementEnd
grant execute on function review.browse, review.open, review.details, review.claim, review.take, review.release, review.assign, review.note, review.wait, review.close, review.close_many, review.approve,
  review.escalate, review.reopen, review.assess, review.discovered, review.confirm, review.law_hold, review.noticed, review.link, review.attach, review.open_attachment, review.attachment_opened,
  review.browse_breaches, review.breaches, review.set_tenant_term, review.set_state_term, tenancy.link_accounts, review.browse_settings, review.request, review.requested to ward_reviewer;
reset role;
