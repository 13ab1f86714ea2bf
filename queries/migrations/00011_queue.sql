-- The anomaly queue as a reviewer works it: looks by write-ahead, changes by version, four eyes by constraint.
-- Errors that a program acts on: WARD1 somebody changed it since, WARD2 separation of duties, WARD3 not yours to edit now.

-- +goose Up
set local role ward_owner;

-- +goose StatementBegin
create function review.row_of(a review.anomaly) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('id', a.id, 'tenant_id', a.tenant_id, 'tenant', t.slug, 'tenant_name', t.name, 'region', t.region, 'rule_id', a.rule_id, 'rule_version', a.rule_version, 'title', r.title, 'tier', a.tier,
    'severity', a.severity, 'actor_id', a.actor_id, 'actor', u.slug, 'actor_name', u.name, 'subject_id', a.subject_id, 'summary', a.summary, 'facts', a.facts, 'first_at', a.first_at, 'last_at', a.last_at,
    'state', a.state, 'version', a.version, 'assigned_to', s.slug, 'lease_until', a.lease_until, 'disposition', a.disposition, 'closed_by', cb.slug, 'closed_at', a.closed_at, 'close_reason', a.close_reason,
    'approved_by', ab.slug, 'recurrence_of', a.recurrence_of, 'created_at', a.created_at, 'evidence_count', (select count(*) from review.evidence e where e.anomaly_id = a.id))
  from tenancy.tenant t join review.rule r on r.id = a.rule_id left join tenancy.users u on u.id = a.actor_id left join tenancy.users s on s.id = a.assigned_to
    left join tenancy.users cb on cb.id = a.closed_by left join tenancy.users ab on ab.id = a.approved_by
  where t.id = a.tenant_id
$$;

-- One page of the queue, worst first. filter: {"state": [..] (default: all that are open), "rule": prefix, "severity": [..], "tenant": slug, "actor": slug, "mine": true,
-- "after": id of the last one seen, "limit": n}.
create function review.browse(ask uuid, filter jsonb default '{}') returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer('browse'); f jsonb := coalesce(filter, '{}'); cond text := ''; bad text; found_ids uuid[]; shown jsonb; n int := coalesce((f->>'limit')::int, 100); p review.anomaly;
begin
  select string_agg(x, ', ') into bad from jsonb_object_keys(f) x where x not in ('state', 'rule', 'severity', 'tenant', 'actor', 'mine', 'after', 'limit');
  if bad is not null then raise exception 'unknown filter: %', bad using errcode = '22023', hint = 'state, rule, severity, tenant, actor, mine'; end if;
  if n not between 1 and 500 then raise exception 'a page is 1 to 500 anomalies' using errcode = '22023'; end if;
  if f ? 'state' then cond := cond || format(' and a.state = any (array(select jsonb_array_elements_text(%L::jsonb)))', f->>'state');
  else cond := cond || ' and a.state not in (''closed'', ''merged'')'; end if;
  if f ? 'severity' then cond := cond || format(' and a.severity = any (array(select jsonb_array_elements_text(%L::jsonb)))', f->>'severity'); end if;
  if f ? 'rule' then cond := cond || format(' and starts_with(a.rule_id, %L)', f->>'rule'); end if;
  if f ? 'tenant' then cond := cond || format(' and a.tenant_id = %L', tenancy.tenant_named(f->>'tenant', 'browse')); end if;
  if f ? 'actor' then cond := cond || format(' and a.actor_id = %L', tenancy.user_named(f->>'actor')); end if;
  if (f->>'mine')::boolean then cond := cond || format(' and (a.assigned_to = %L or a.assigned_to is null)', who); end if;
  if f ? 'after' then
    select * into p from review.anomaly a where a.id = (f->>'after')::uuid and tenancy.reaches(who, a.tenant_id, 'browse');
    if not found then raise exception 'no anomaly "%" within your reach to continue after', f->>'after' using errcode = '02000'; end if;
    cond := cond || format(' and (a.rank, a.created_at, a.id) > (%s, %L::timestamptz, %L::uuid)', p.rank, p.created_at, p.id);
  end if;
  execute format('select array_agg(id order by rank, created_at, id), jsonb_object_agg(tenant_id, ids) from (select a.id, a.rank, a.created_at, a.tenant_id, jsonb_agg(a.id) over (partition by a.tenant_id) ids from (
    select * from review.anomaly a where tenancy.reaches(%L, a.tenant_id, ''browse'')%s order by a.rank, a.created_at, a.id limit %s) a) x', who, cond, n) into found_ids, shown;
  perform audit.look(ask, 'queue', 'browse', shown, f, coalesce(found_ids, '{}'));
end $$;
create function review.page() returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare k audit.ask := audit.the_ask('queue');
begin
  return query select review.row_of(a) from unnest(k.ids) with ordinality x(id, n) join review.anomaly a on a.id = x.id where tenancy.reaches(k.user_id, a.tenant_id, 'browse') order by x.n;
end $$;

create function review.anomaly_within(anomaly text, action text) returns review.anomaly language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly; who uuid := tenancy.reviewer(action); n int;
begin
  if anomaly !~ '^[0-9a-fA-F-]{4,36}$' then raise exception '"%" is not an anomaly id: give at least its first four characters', anomaly using errcode = '22023'; end if;
  select count(*) into n from review.anomaly x where starts_with(x.id::text, lower(anomaly)) and tenancy.reaches(who, x.tenant_id, action);
  if n > 1 then raise exception '% anomalies begin with "%": give more of the id', n, anomaly using errcode = '22023'; end if;
  select * into a from review.anomaly x where starts_with(x.id::text, lower(anomaly)) and tenancy.reaches(who, x.tenant_id, action);
  if a.id is null then raise exception 'no anomaly "%" within your reach', anomaly using errcode = '02000', hint = 'ward queue list shows the open ones'; end if;
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
    'anomaly', review.row_of(a),
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
    'dispositions', (select jsonb_agg(jsonb_build_object('name', d.name, 'second_person', d.second_person or a.tier = 'A', 'note', d.note) order by d.name) from review.disposition d));
end $$;

-- One change of state: checks the version that the reviewer saw, records the event, then the transition.
create function review.change(a review.anomaly, seen int, action text, to_state text, who uuid, reason text, disposition text default null) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare e bigint; now_is review.anomaly;
begin
  select * into now_is from review.anomaly x where x.id = a.id for update;
  if now_is.version <> seen then
    raise exception 'somebody changed this anomaly since you saw it: it is % now (version %, you saw %)', now_is.state, now_is.version, seen using errcode = 'WARD1', hint = 'look at it again, then decide';
  end if;
  if a.actor_id = who then raise exception 'this anomaly is about yourself: somebody else reviews it' using errcode = 'WARD2'; end if;
  e := audit.write(a.tenant_id, action, 'ok', jsonb_strip_nulls(jsonb_build_object('anomaly', a.id, 'from', now_is.state, 'to', to_state, 'version', seen + 1, 'disposition', disposition, 'reason', reason))::text, null, null, a.subject_id, 'audit');
  update review.anomaly x set state = to_state, version = seen + 1 where x.id = a.id;
  insert into review.transition (anomaly_id, version, from_state, to_state, by_user, reason, disposition, evidence, event_id)
  values (a.id, seen + 1, now_is.state, to_state, who, reason, disposition, (select count(*) from review.evidence v where v.anomaly_id = a.id), e);
  return jsonb_build_object('id', a.id, 'state', to_state, 'version', seen + 1, 'event_id', e);
end $$;
create function review.need_reason(reason text) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  reason := btrim(reason, E' \t\r\n');
  if length(coalesce(reason, '')) < 4 then raise exception 'a reason of at least four characters is needed: it has to hold years later' using errcode = '22023'; end if;
  return reason;
end $$;
-- state and lease in one place: who may edit now
create function review.need_lease(a review.anomaly, who uuid) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if a.state not in ('claimed', 'in_review', 'waiting_info', 'escalated') then raise exception 'this anomaly is %: claim it first', a.state using errcode = 'WARD3'; end if;
  if a.assigned_to is distinct from who then
    raise exception 'this anomaly is %''s', coalesce((select u.slug from tenancy.users u where u.id = a.assigned_to), 'nobody') using errcode = 'WARD3', hint = 'claim it: that is refused while the other is editing';
  end if;
  if a.lease_until is null or a.lease_until < clock_timestamp() then raise exception 'your 30 minutes to edit are over: claim it again' using errcode = 'WARD3'; end if;
end $$;

create function review.claim(anomaly text, seen int) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'claim'); who uuid := tenancy.user_id(); r jsonb;
begin
  if a.state in ('closed', 'merged', 'suppressed', 'pending_approval') then raise exception 'this anomaly is %: there is nothing to claim', a.state using errcode = 'WARD3'; end if;
  if a.assigned_to is distinct from who and a.lease_until > clock_timestamp() then
    raise exception '% is editing this anomaly until %', (select u.slug from tenancy.users u where u.id = a.assigned_to), to_char(a.lease_until at time zone 'UTC', 'HH24:MI "UTC"') using errcode = 'WARD3';
  end if;
  r := review.change(a, seen, 'claim', case when a.state = 'new' then 'claimed' else a.state end, who, null);
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
  if a.actor_id = u then raise exception 'this anomaly is about %', to_user using errcode = 'WARD2'; end if;
  if a.state in ('closed', 'merged', 'pending_approval') then raise exception 'this anomaly is %', a.state using errcode = 'WARD3'; end if;
  r := review.change(a, seen, 'assign', case when a.state = 'new' then 'claimed' else a.state end, who, review.need_reason(reason));
  update review.anomaly x set assigned_to = u, lease_until = null where x.id = a.id;
  return r;
end $$;
create function review.note(anomaly text, said text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'note'); who uuid := tenancy.user_id(); e bigint;
begin
  if btrim(coalesce(said, ''), E' \t\r\n') = '' then raise exception 'a note needs text' using errcode = '22023'; end if;
  if a.actor_id = who then raise exception 'this anomaly is about yourself: somebody else reviews it' using errcode = 'WARD2'; end if;
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
-- Closing: final at once, or pending the approval of somebody else where the tier or the disposition asks for a second person.
create function review.close(anomaly text, seen int, disposition text, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'close'); who uuid := tenancy.user_id(); second boolean; r jsonb;
begin
  select d.second_person or a.tier = 'A' into second from review.disposition d where d.name = disposition;
  if second is null then
    raise exception 'no disposition "%": one of %', disposition, (select string_agg(d.name, ', ' order by d.name) from review.disposition d) using errcode = '22023';
  end if;
  perform review.need_lease(a, who);
  -- the columns that a closed state demands come first
  update review.anomaly x set disposition = close.disposition, closed_by = who, closed_at = clock_timestamp(), close_reason = review.need_reason(reason), approved_by = null where x.id = a.id and x.version = seen;
  r := review.change(a, seen, 'close', case when second then 'pending_approval' else 'closed' end, who, review.need_reason(reason), disposition);
  update review.anomaly x set lease_until = null where x.id = a.id;
  return r;
end $$;
-- accept false sends it back to the one who closed it.
create function review.approve(anomaly text, seen int, accept boolean, reason text) returns jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a review.anomaly := review.anomaly_within(anomaly, 'approve'); who uuid := tenancy.user_id(); r jsonb;
begin
  if a.state <> 'pending_approval' then raise exception 'this anomaly is %: there is no closing to approve', a.state using errcode = 'WARD3'; end if;
  if a.closed_by = who then raise exception 'you closed this anomaly: somebody else approves it' using errcode = 'WARD2'; end if;
  if a.actor_id = who then raise exception 'this anomaly is about yourself: somebody else reviews it' using errcode = 'WARD2'; end if;
  if accept then
    update review.anomaly x set approved_by = who where x.id = a.id and x.version = seen;
    return review.change(a, seen, 'approve', 'closed', who, review.need_reason(reason), a.disposition);
  end if;
  r := review.change(a, seen, 'reopen', 'in_review', who, review.need_reason(reason));
  update review.anomaly x set disposition = null, closed_by = null, closed_at = null, close_reason = null where x.id = a.id;
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
  if a.state <> 'closed' then raise exception 'this anomaly is %, not closed', a.state using errcode = 'WARD3'; end if;
  if exists (select from review.anomaly x where x.key = a.key and x.id <> a.id and x.state not in ('closed', 'merged')) then
    raise exception 'it has happened again since: work the newer anomaly' using errcode = 'WARD3';
  end if;
  r := review.change(a, seen, 'reopen', 'in_review', who, review.need_reason(reason));
  update review.anomaly x set disposition = null, closed_by = null, closed_at = null, close_reason = null, approved_by = null, assigned_to = who, lease_until = clock_timestamp() + interval '30 minutes' where x.id = a.id;
  return r;
end $$;

-- Work that a reviewer asks for and the worker does: the event is the reviewer's. Returns the event's id, which the run then names.
create function review.request(action text, detail jsonb) returns bigint language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare who uuid := tenancy.reviewer(action); e bigint; named text[];
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
grant execute on function review.browse, review.page, review.open, review.details, review.claim, review.release, review.assign, review.note, review.wait, review.close, review.approve, review.escalate,
  review.reopen, review.request, review.requested to ward_reviewer;
reset role;
