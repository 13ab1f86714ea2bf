-- Ask, commit, then look: write-ahead auditing. What a look may show rests on a row of audit.ask that an earlier, committed transaction wrote
-- together with its events. docs/design/write-ahead-audit.md says why each part is here.

-- +goose Up
set local role ward_owner;

-- Committed permissions to look, for seconds (PHI) or minutes (review). Unlogged: after a crash they are gone, and so is the permission; the
-- events that they were written with are not.
create unlogged table audit.ask (
  disclosure_id uuid not null,
  session_id    uuid not null,
  user_id       uuid not null,
  tenant_id     uuid,                 -- null: a reviewer's look over several clinics
  what          text not null,        -- a PHI table, 'find:' and a PHI table, or what a reviewer looks at
  ids           uuid[] not null default '{}',
  payload       jsonb not null default '{}',
  xid           xid8 not null default pg_current_xact_id(),
  expires_at    timestamptz not null
);
create index ask_disclosure on audit.ask (disclosure_id);

-- The commit of an ask is flushed, whatever synchronous_commit the client set and whenever it set it: this trigger is deferred to the
-- commit, sets it there, and refuses to run at any other statement (SET CONSTRAINTS ... IMMEDIATE, PREPARE TRANSACTION, several statements in
-- one message), after which a client could have set it off again. Waiting for the WAL position noted in the event, which an earlier form did,
-- is not enough: the commit record can come any time later. A cursor WITH HOLD is read to its end by the commit itself, after its triggers, and can
-- switch the setting off again there, so none may be open. The pattern reads comments as PostgreSQL's lexer does (see tenancy.unfit). A pipeline without
-- BEGIN commits at its Sync, where there is no query text and nothing of the client's comes after: that null passes.
-- +goose StatementBegin
create function audit.durable() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if current_query() <> 'commit' and current_query() !~* $re$^(\s|--[^\n\r]*[\n\r]|/\*((?!/\*|\*/).)*\*/)*(commit|end)\M[^;]*;?\s*\Z$re$ then
    raise exception 'an ask is committed by a COMMIT of its own: send it as one statement, without SET CONSTRAINTS' using errcode = '25000';
  end if;
  -- What the client can have run at this commit after this trigger: a WITH HOLD cursor's query, and a deferred trigger of a temporary table.
  if exists (select from pg_cursors where is_holdable) or pg_my_temp_schema() <> 0 then
    raise exception 'an ask is committed in a session without WITH HOLD cursors and temporary objects: close them first' using errcode = '25000';
  end if;
  if current_setting('synchronous_commit') not in ('on', 'remote_apply') then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  return null;
end $$;
-- +goose StatementEnd
create constraint trigger durable after insert on audit.ask deferrable initially deferred for each row execute function audit.durable();

-- +goose StatementBegin
create function audit.remember(disclosure uuid, what text, ids uuid[], payload jsonb, lease interval, tenant uuid default null, c jsonb default tenancy.claims()) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if disclosure is null then raise exception 'a disclosure id is needed: choose a random uuid' using errcode = '22004'; end if;
  insert into audit.ask (disclosure_id, session_id, user_id, tenant_id, what, ids, payload, expires_at)
  values (disclosure, (c->>'sid')::uuid, (c->>'sub')::uuid, coalesce(tenant, (c->>'tid')::uuid), what, coalesce(ids, '{}'), coalesce(payload, '{}'), clock_timestamp() + lease);
end $$;

-- The committed, unexpired asks of this session under the disclosure named at begin; never this transaction's own.
create function audit.asked(what text, c jsonb default tenancy.claims()) returns setof audit.ask language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  return query select a.* from audit.ask a
  where a.disclosure_id = nullif(current_setting('ward.disclosure', true), '')::uuid and a.what = asked.what and a.session_id = (c->>'sid')::uuid and a.user_id = (c->>'sub')::uuid
    and a.expires_at > clock_timestamp() and a.xid is distinct from pg_current_xact_id_if_assigned();
end $$;

-- The ids that this transaction may see of a PHI table, and the clinic whose they are: of one identity, checked once. None is an error, not an empty
-- chart: that would read as "no allergies". The conditions are those of audit.asked. No sequential scans: the table of asks is small when a connection plans
-- this, and thousands of rows a minute later.
create function audit.disclosed(record_table text, out ids uuid[], out tenant uuid) language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare asks int; c jsonb := tenancy.claims();
begin
  if c is null then raise exception 'no identity: tenancy.begin(token, disclosure) comes first' using errcode = '28000'; end if;
  tenant := (c->>'tid')::uuid;
  select count(*), min(a.ids) into asks, ids from audit.ask a
  where a.disclosure_id = nullif(current_setting('ward.disclosure', true), '')::uuid and a.what = disclosed.record_table and a.session_id = (c->>'sid')::uuid and a.user_id = (c->>'sub')::uuid
    and a.expires_at > clock_timestamp() and a.xid is distinct from pg_current_xact_id_if_assigned() and a.tenant_id = disclosed.tenant;
  if asks = 0 then
    raise exception 'no committed disclosure for %', record_table using errcode = '42501',
      hint = 'audit.disclose(...), commit, then tenancy.begin(token, disclosure) and select: docs/ADOPTING.md';
  end if;
  if asks > 1 then
    select array_agg(i) into ids from audit.asked(record_table, c) a cross join unnest(a.ids) i where a.tenant_id = disclosed.tenant;
  end if;
  -- a portal identity sees its patient's records, whatever was asked for
  if c ? 'pat' then
    select array_agg(r.record_id) into ids from unnest(ids) i join tenancy.record r on r.record_id = i and r.record_table = disclosed.record_table and r.tenant_id = disclosed.tenant
    where r.subject_id = (c->>'pat')::uuid;
  end if;
  ids := coalesce(ids, '{}');
end $$;

-- c, here and below: the claims, for a caller that has checked them already. Nobody but ward's own functions can call these.
create function tenancy.require(record_table text, action text, c jsonb default tenancy.claims()) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if c is null or c->>'tid' is null then raise exception 'no identity: tenancy.begin(token) comes first' using errcode = '28000'; end if;
  if not exists (select from tenancy.permission p join tenancy.phi_table t on t.record_table = p.record_table where p.role = c->>'role' and p.record_table = require.record_table and p.action = require.action) then
    if not exists (select from tenancy.phi_table t where t.record_table = require.record_table) then
      raise exception '% is not a protected table: tenancy.protect() makes it one', record_table using errcode = '42704';
    end if;
    raise exception 'the role % may not % %', c->>'role', action, record_table using errcode = '42501', hint = 'tenancy.permit(role, table, actions) widens a role';
  end if;
end $$;

-- Writes who wants which records, one event per id, and reads no PHI table, so that a rollback has taught nothing.
create function audit.ask_records(disclosure uuid, record_table text, ids uuid[], action text, purpose text, c jsonb default tenancy.claims()) returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare n int;
begin
  if coalesce(cardinality(ids), 0) = 0 or cardinality(ids) > 10000 or array_position(ids, null) is not null then
    raise exception 'ask for 1 to 10,000 ids, none of them null' using errcode = '22023';
  end if;
  if disclosure is null then raise exception 'a disclosure id is needed: choose a random uuid' using errcode = '22004'; end if;
  insert into audit.event (tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, record_table, record_id, subject_id, purpose)
  select (c->>'tid')::uuid, (c->>'sub')::uuid, c->>'kind', (c->>'sid')::uuid, (c->>'mid')::uuid, disclosure, ask_records.action, t.record_table, x.i, case when t.subject_column = 'id' then x.i end, ask_records.purpose
  from tenancy.permission p cross join tenancy.phi_table t cross join (select distinct unnest(ids)) x(i)
  where p.role = c->>'role' and p.record_table = ask_records.record_table and p.action = ask_records.action and t.record_table = ask_records.record_table and c->>'tid' is not null;
  get diagnostics n = row_count;
  if n = 0 then
    perform tenancy.require(record_table, action, c);  -- says why
    raise exception 'the permission of % changed meanwhile: ask again', record_table using errcode = '40001';
  end if;
  insert into audit.ask (disclosure_id, session_id, user_id, tenant_id, what, ids, expires_at)
  select disclosure, (c->>'sid')::uuid, (c->>'sub')::uuid, (c->>'tid')::uuid, ask_records.record_table, ask_records.ids, clock_timestamp() + s.disclosure_lease from tenancy.setting s where s.one;
  return n;
end $$;

create function audit.disclose(disclosure uuid, record_table regclass, ids uuid[], purpose text default 'treatment') returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform audit.ask_records(disclosure, record_table::text, ids, 'view', purpose);
end $$;

-- A transaction that only asks: what tenancy.begin(token) and audit.disclose(disclosure, ...) do, in one call and without an identity, since nothing else happens under
-- one. Whatever else the client sends in this transaction has none. Returns null when the token is accepted, else the reason, as begin does, and the event of the refusal is
-- written then. record_table as it is registered: schema-qualified.
create function tenancy.ask(token text, disclosure uuid, record_table text, ids uuid[], purpose text default 'treatment') returns text language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare p tenancy.proof; n int;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    p.why := 'the transaction is not READ COMMITTED';
  elsif position(token in current_query()) > 0 then
    p.why := 'the token stood in the query text: send it as a bind parameter';
  else
    p := tenancy.proven(token);
  end if;
  if p.why is not null then
    perform audit.refused(p, p.why);
    return p.why;
  end if;
  n := audit.ask_records(disclosure, record_table, ids, 'view', purpose, p.c);
  return null;
end $$;

-- Bulk reading: one event per record, and one for the export itself.
create function audit.export(disclosure uuid, record_table regclass, ids uuid[], purpose text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform audit.ask_records(disclosure, record_table::text, ids, 'export', purpose);
  perform audit.write(tenancy.tenant_id(), 'export', 'ok', jsonb_build_object('records', cardinality(ids))::text, record_table::text, null, null, purpose, disclosure);
end $$;

-- A search as it is recorded: columns and operators as they are, values as keyed hashes. Refuses what the evaluation would refuse, so that a
-- committed ask can be evaluated.
create function audit.search_terms(record_table text, filter jsonb, ordering text, max_rows int) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare f jsonb; terms jsonb := '[]'; col text := split_part(coalesce(ordering, 'id'), ' ', 1);
begin
  if jsonb_typeof(filter) is distinct from 'array' then raise exception 'a filter is a JSON array of {"column", "op", "value"}' using errcode = '22023'; end if;
  if max_rows is null or max_rows not between 1 and 500 then raise exception 'a limit is 1 to 500' using errcode = '22023'; end if;
  for f in select * from jsonb_array_elements(filter || jsonb_build_array(jsonb_build_object('column', col, 'op', 'order', 'value', split_part(coalesce(ordering, 'id asc'), ' ', 2)))) loop
    if not exists (select from pg_attribute a where a.attrelid = record_table::regclass and a.attnum > 0 and not a.attisdropped and a.attname = f->>'column') then
      raise exception 'no such column in % to search by', record_table using errcode = '42703';
    end if;
    if coalesce(f->>'op', '') not in ('=', '<', '<=', '>', '>=', 'starts_with', 'is_null', 'order') then
      raise exception 'an op is one of =, <, <=, >, >=, starts_with, is_null' using errcode = '22023';
    end if;
    if f->>'op' = 'order' then
      if f->>'value' not in ('', 'asc', 'desc') then raise exception 'an order is a column, then asc or desc' using errcode = '22023'; end if;
      terms := terms || jsonb_build_array(f);
    else
      terms := terms || jsonb_build_array(jsonb_build_object('column', f->>'column', 'op', f->>'op', 'value', tenancy.fingerprint(concat_ws('|', record_table, f->>'column', f->>'value'))));
    end if;
  end loop;
  return jsonb_build_object('where', terms, 'limit', max_rows);
end $$;

-- Searching in three steps. audit.find is the ask; audit.evaluate, in a later transaction under that disclosure, runs exactly the committed
-- search and writes the view events; a third transaction reads the phi view. A search that finds nothing is on record.
create function audit.find(disclosure uuid, record_table regclass, filter jsonb, ordering text default 'id', max_rows int default 50, purpose text default 'treatment')
  returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare terms jsonb;
begin
  perform tenancy.require(record_table::text, 'view');
  terms := audit.search_terms(record_table::text, filter, ordering, max_rows);
  perform audit.write(tenancy.tenant_id(), 'search', 'ok', terms::text, record_table::text, null, null, purpose, disclosure);
  perform audit.remember(disclosure, 'find:' || record_table::text, null, terms || jsonb_build_object('purpose', purpose), (select disclosure_lease from tenancy.setting));
end $$;

create function audit.found(record_table text, ids uuid[], subjects uuid[], purpose text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare c jsonb := tenancy.claims(); disclosure uuid := current_setting('ward.disclosure')::uuid;
begin
  insert into audit.event (tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, record_table, record_id, subject_id, purpose)
  select (c->>'tid')::uuid, (c->>'sub')::uuid, c->>'kind', (c->>'sid')::uuid, (c->>'mid')::uuid, disclosure, 'view', found.record_table, x.i, x.s, found.purpose
  from unnest(ids, subjects) as x(i, s);
  perform audit.remember(disclosure, record_table, ids, null, (select disclosure_lease from tenancy.setting));
end $$;
-- +goose StatementEnd
grant execute on function tenancy.ask, audit.disclose, audit.export, audit.find to ward_app;
grant execute on function audit.disclosed to ward_app, ward_reader;
grant execute on function audit.asked, audit.search_terms, audit.found to ward_reader;
reset role;

set local role ward_reader;
-- +goose StatementBegin
create function audit.evaluate(record_table regclass, filter jsonb, ordering text default 'id', max_rows int default 50) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare asked jsonb; f jsonb; cond text := ''; guard text; kind regtype; col text := split_part(coalesce(ordering, 'id'), ' ', 1); subject text; ids uuid[]; subjects uuid[]; source text := record_table::text; patient uuid := (tenancy.claims()->>'pat')::uuid;
begin
  select a.payload into asked from audit.asked('find:' || record_table::text) a;
  if not found then raise exception 'no committed search of %: audit.find(...), commit, then tenancy.begin(token, disclosure)', record_table using errcode = '42501'; end if;
  if asked - 'purpose' <> audit.search_terms(record_table::text, filter, ordering, max_rows) then
    raise exception 'this is not the search that was recorded' using errcode = '42501';
  end if;
  for f in select * from jsonb_array_elements(filter) loop
    select a.atttypid::regtype into kind from pg_attribute a where a.attrelid = record_table and a.attname = f->>'column' and a.attnum > 0 and not a.attisdropped;
    cond := cond || case f->>'op'
      when 'is_null' then format(' and %I is null', f->>'column')
      when 'starts_with' then format(' and starts_with(%I::text, %L)', f->>'column', f->>'value')
      else format(' and %I %s %L::%s', f->>'column', f->>'op', f->>'value', kind) end;
  end loop;
  select p.subject_column into subject from tenancy.phi_table p where p.record_table = evaluate.record_table::text;
  -- true of every row, and what lets the planner use the table's indexes (tenancy.unguarded)
  select string_agg(format(' and num_nulls(%I) <> 2', a.attname), '') into guard from pg_attribute a where a.attrelid = record_table and a.attnum > 0 and not a.attisdropped and exists (
    select from pg_index i where (i.indrelid = record_table or i.indrelid in (select relid from pg_partition_tree(record_table))) and position(format('(num_nulls(%I) <> 2)', a.attname) in pg_get_expr(i.indpred, i.indrelid)) > 0);
  -- a portal identity searches its patient's records; OFFSET 0, so that neither time nor plan depends on whom else the filter would find
  if patient is not null then
    source := format('(select * from %s where tenant_id = (select tenancy.tenant_id()) and %s%s offset 0) own', record_table, coalesce(format('%I = %L', subject, patient), 'false'), guard);
  else
    cond := cond || coalesce(guard, '');
  end if;
  execute format('select array_agg(id order by n), array_agg(subject order by n) from (select id, %s as subject, row_number() over (order by %I %s, id) n from %s where tenant_id = (select tenancy.tenant_id())%s order by n limit %s) x',
    coalesce(quote_ident(subject), 'null::uuid'), col, case when split_part(coalesce(ordering, ''), ' ', 2) = 'desc' then 'desc' else 'asc' end, source, cond, max_rows) into ids, subjects;
  perform audit.found(record_table::text, coalesce(ids, '{}'), coalesce(subjects, '{}'), asked->>'purpose');
exception
  -- the message of a failed cast or comparison would repeat the value
  when data_exception then raise exception 'a value does not fit its column' using errcode = '22023';
end $$;
-- +goose StatementEnd
grant execute on function audit.evaluate to ward_app;
reset role;
