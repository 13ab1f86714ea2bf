-- tenancy.protect() is all that it takes to add a PHI table; tenancy.relate() tells the rules which rows mean care.

-- +goose Up
set local role ward_owner;

-- Writes are audited in their own transaction. First argument: the column that names the patient, or ''.
-- +goose StatementBegin
create function audit.on_write() returns trigger language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
  done text := case tg_op when 'INSERT' then 'create' when 'UPDATE' then 'modify' else 'delete' end;
  tab text := coalesce(pg_partition_root(tg_relid), tg_relid)::regclass::text;  -- a partition's rows are its table's
  subject uuid;
  before uuid;  -- the subject of the row that an UPDATE changes
  c jsonb := tenancy.claims();
begin
  if c->>'tid' is null then
    perform tenancy.require(tab, done, c);  -- says so
  end if;
  if (c->>'tid')::uuid is distinct from (case when tg_op = 'DELETE' then old.tenant_id else new.tenant_id end) then
    raise exception 'a row of another clinic than the one of this identity' using errcode = '42501';
  end if;
  if tg_argv[0] = 'id' then
    subject := case when tg_op = 'DELETE' then old.id else new.id end;
    before := case when tg_op = 'UPDATE' then old.id end;
  elsif tg_argv[0] <> '' then
    subject := (case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end ->> tg_argv[0])::uuid;
    before := case when tg_op = 'UPDATE' then (to_jsonb(old) ->> tg_argv[0])::uuid end;
  end if;
  insert into audit.event (tenant_id, user_id, actor_kind, session_id, membership_id, action, record_table, record_id, subject_id)
  select (c->>'tid')::uuid, (c->>'sub')::uuid, c->>'kind', (c->>'sid')::uuid, (c->>'mid')::uuid, done, tab, case when tg_op = 'DELETE' then old.id else new.id end, subject
  from tenancy.permission p where p.role = c->>'role' and p.record_table = tab and p.action = done and exists (select from tenancy.phi_table t where t.record_table = tab);
  if not found then
    perform tenancy.require(tab, done, c);  -- says why
    raise exception 'the permission of % changed meanwhile: write again', tab using errcode = '40001';
  end if;
  -- what a portal identity writes is about its patient, before and after
  if c ? 'pat' and (subject is distinct from (c->>'pat')::uuid or (tg_op = 'UPDATE' and before is distinct from subject)) then
    raise exception 'a record of another patient than the one of this identity' using errcode = '42501';
  end if;
  if tg_op = 'DELETE' then
    update tenancy.record set deleted_at = clock_timestamp() where record_id = old.id and record_table = tab and tenant_id = old.tenant_id;
  elsif tg_op = 'INSERT' or old.id is distinct from new.id or old.tenant_id is distinct from new.tenant_id or before is distinct from subject then
    insert into tenancy.record as r (record_table, record_id, tenant_id, subject_id) values (tab, new.id, new.tenant_id, subject)
      on conflict (record_id, record_table, tenant_id) do update set subject_id = excluded.subject_id, deleted_at = null
      where r.subject_id is distinct from excluded.subject_id or r.deleted_at is not null;
  end if;
  return null;
end $$;

create function tenancy.permit(role text, record_table regclass, actions text[]) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into tenancy.permission select permit.role, permit.record_table::text, unnest(actions) on conflict do nothing
$$;

-- Takes away what permit gave: the next ask or write under that role is refused.
create function tenancy.forbid(role text, record_table regclass, actions text[]) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  delete from tenancy.permission p where p.role = forbid.role and p.record_table = forbid.record_table::text and p.action = any (actions)
$$;

-- Functions without a pinned search_path that a trigger, policy, check, default, index or statistics object of the table reaches: each could be led to the caller's
-- own objects and carry row contents out.
create function tenancy.unpinned(t regclass) returns setof text language sql stable set search_path = pg_catalog, pg_temp as $$
  with reached as (
    select tgfoid as f from pg_trigger where tgrelid = t and not tgisinternal
    union select d.refobjid from pg_constraint c join pg_depend d on d.classid = 'pg_constraint'::regclass and d.objid = c.oid and d.refclassid = 'pg_proc'::regclass where c.conrelid = t
    union select d.refobjid from pg_attrdef a join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = a.oid and d.refclassid = 'pg_proc'::regclass where a.adrelid = t
    union select d.refobjid from pg_index i join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refclassid = 'pg_proc'::regclass where i.indrelid = t
    union select d.refobjid from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass where p.polrelid = t
    union select d.refobjid from pg_statistic_ext x join pg_depend d on d.classid = 'pg_statistic_ext'::regclass and d.objid = x.oid and d.refclassid = 'pg_proc'::regclass where x.stxrelid = t
  )
  select p.oid::regprocedure::text from reached join pg_proc p on p.oid = reached.f join pg_language l on l.oid = p.prolang
  where l.lanname not in ('internal', 'c')
    -- pg_temp last: unnamed or named earlier, it is searched first for types
    and not exists (select from unnest(p.proconfig) c where c ~ '^search_path=.+, pg_temp$' and c !~ 'pg_temp.*pg_temp')
$$;

-- What reads a table past its boundary: views and materialised views, and those that read these, deepest first. A view reads as its owner.
create function tenancy.readers(t regclass) returns table (reader regclass, materialised boolean, depth int) language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive v as (
    select t::oid as oid, 0 as depth
    union
    select r.ev_class, v.depth + 1 from v join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = v.oid and d.classid = 'pg_rewrite'::regclass join pg_rewrite r on r.oid = d.objid
    where r.ev_class <> v.oid and v.depth < 32
  )
  select c.oid::regclass, c.relkind = 'm', max(v.depth) from v join pg_class c on c.oid = v.oid join pg_namespace n on n.oid = c.relnamespace
  where v.depth > 0 and c.relkind in ('v', 'm') and not (n.nspname = 'phi' and pg_get_userbyid(c.relowner) = 'ward_reader') group by c.oid, c.relkind order by 3 desc, 1
$$;

-- Indexes that a statement of ward_app's could run along although they are ordered by PHI: EXPLAIN ANALYZE counts the rows passed on the way to a disclosed
-- record, and that record, whose columns its reader may set, bisects the others'. Such an index is partial, and its predicate begins with one conjunct for each of
-- those columns, which is true of every row and which only a clause that reads the column implies: ward_app may not write one, audit.evaluate does. Not IS NOT
-- NULL: of a NOT NULL column that is known to be true, and PostgreSQL 19 simplifies predicates by it. open: the columns that are not PHI; null: those registered.
create function tenancy.unguarded(t regclass, open text[] default null) returns table (index regclass, why text, remedy text) language sql stable set search_path = pg_catalog, pg_temp as $$
  with own as (
    select i.*, pg_get_expr(i.indpred, i.indrelid) as pred, array['tenant_id', 'id'] || coalesce(open, (select p.open_columns from tenancy.phi_table p where p.record_table = t::text), '{}') as known
    from pg_index i where (i.indrelid = t or i.indrelid in (select relid from pg_partition_tree(t))) and not i.indisprimary and not exists (select from pg_inherits h where h.inhrelid = i.indexrelid)
  ), ordered as (
    select o.*, g.columns, g.guard from own o cross join lateral (
      select string_agg(quote_ident(a.attname), ', ' order by a.attname) as columns, string_agg(format('(num_nulls(%I) <> 2)', a.attname), ' AND ' order by a.attname) as guard
      from pg_attribute a where a.attrelid = o.indrelid and a.attnum > 0 and not a.attisdropped and a.attname <> all (o.known)
        and (a.attnum = any ((o.indkey::int2[])[0:o.indnkeyatts - 1]) or exists (select from regexp_matches(o.indexprs::text, ':varattno (\d+)', 'g') v(n) where v.n[1]::int in (0, a.attnum)))) g
    where g.guard is not null
  ), named as (
    select o.*, m.amname, k.conname, k.contype, k.condeferrable, concat(case when k.condeferrable then ' DEFERRABLE' end, case when k.condeferred then ' INITIALLY DEFERRED' end) as deferral, pg_get_constraintdef(k.oid) as condef,
      guard || coalesce(' AND ' || pred, '') as wanted,
      replace(left(d.def, case when pred is null then length(d.def) else -length(' WHERE ' || pred) end), format(' ON ONLY %s ', o.indrelid::regclass), format(' ON %s ', o.indrelid::regclass)) || coalesce(' TABLESPACE ' || quote_ident(s.spcname), '') as base
    from ordered o join pg_class c on c.oid = o.indexrelid join pg_am m on m.oid = c.relam cross join lateral pg_get_indexdef(o.indexrelid) d(def) left join pg_tablespace s on s.oid = c.reltablespace
      left join pg_constraint k on k.conindid = o.indexrelid and k.conrelid = o.indrelid and k.contype in ('u', 'x')
    where pred is null or not (pred in (guard, format('(%s)', guard)) or starts_with(pred, format('(%s AND ', guard)))
  )
  select n.indexrelid::regclass, format('index %s orders records by %s, and a scan of the keys along it tells the rank of a record: its predicate must begin with where %s', n.indexrelid::regclass, n.columns, n.guard),
    case
      -- a partial index serves neither; a person decides what the reference or the replica goes by instead
      when n.indisreplident or exists (select from pg_constraint f where f.conindid = n.indexrelid and f.contype = 'f') then null
      when n.contype = 'x' then format('alter table %s drop constraint %I; alter table %1$s add constraint %2$I %s WHERE (%s)%s', n.indrelid::regclass, n.conname,
        left(n.condef, length(n.condef) - length(case when n.pred is null then '' else format(' WHERE (%s)', n.pred) end || n.deferral)), n.wanted, n.deferral)
      when n.condeferrable and n.indnullsnotdistinct then null
      when n.condeferrable or n.contype = 'u' and n.indisexclusion then format('alter table %s drop constraint %I; alter table %1$s add constraint %2$I EXCLUDE USING %I (%s) WHERE (%s)%s', n.indrelid::regclass, n.conname, n.amname,
        (select string_agg(format('%I WITH %s', a.attname, case when n.indisexclusion and x.o = n.indnkeyatts then '&&' else '=' end), ', ' order by x.o)
          from unnest((n.indkey::int2[])[0:n.indnkeyatts - 1]) with ordinality x(k, o) join pg_attribute a on a.attrelid = n.indrelid and a.attnum = x.k), n.wanted, n.deferral)
      when n.contype = 'u' then format('alter table %s drop constraint %I; %s WHERE %s', n.indrelid::regclass, n.conname, n.base, n.wanted)
      else format('drop index %s; %s WHERE %s', n.indexrelid::regclass, n.base, n.wanted)
    end
  from named n order by 1
$$;

-- Makes those indexes anew, as they should be, under the same names.
create function tenancy.guard_indexes(t regclass, open text[] default null) returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare bad text; remedies text[]; remedy text;
begin
  select string_agg(u.why, E'\n  ') filter (where u.remedy is null), array_agg(u.remedy) into bad, remedies from tenancy.unguarded(t, open) u;
  if bad is not null then
    raise exception E'%\n  which a foreign key, a replica identity or NULLS NOT DISTINCT needs: change that first', bad using errcode = '55000';
  end if;
  foreach remedy in array coalesce(remedies, '{}') loop execute remedy; end loop;
end $$;

-- What stands in the way of protecting a table: what kind of thing, why, and the statement that removes it; null where a person has to decide more than a
-- statement can say (the key, the references, the clinic of each row: `ward protect --plan` asks).
create function tenancy.hindrances(t regclass, open text[] default null) returns table (kind text, why text, remedy text) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare root regclass := (select c.oid::regclass from pg_inherits i join pg_class c on c.oid = i.inhparent where i.inhrelid = t limit 1); part boolean; kin text;
begin
  select c.relkind::text, c.relispartition into kin, part from pg_class c where c.oid = t;
  if kin not in ('r', 'p') then
    return query select 'table', format('%s is not a table', t), null::text; return;
  end if;
  if part then return query select 'inheritance', format('%s is a partition: protect %s', t, root), null::text; return; end if;
  if (select array_agg(a.attname || ' ' || a.atttypid::regtype order by k.n) from pg_index i cross join lateral unnest(i.indkey) with ordinality k(attnum, n)
      join pg_attribute a on a.attrelid = t and a.attnum = k.attnum where i.indrelid = t and i.indisprimary) is distinct from array['tenant_id uuid', 'id uuid'] then
    return query select 'key', format('the primary key of %s must be exactly (tenant_id uuid, id uuid), with random ids', t), null::text;
  end if;
  return query
    select 'reference', format('foreign key %I to %s must be composite, (tenant_id, ...) references %s (tenant_id, id): a single column tells whether another clinic''s row exists', c.conname, c.confrelid::regclass, c.confrelid::regclass), null::text
    from pg_constraint c where c.conrelid = t and c.contype = 'f' and exists (select from tenancy.phi_table p where to_regclass(p.record_table) = c.confrelid)
      and not exists (select from unnest(c.conkey, c.confkey) k(a, b) join pg_attribute x on x.attrelid = t and x.attnum = k.a join pg_attribute y on y.attrelid = c.confrelid and y.attnum = k.b
        where x.attname = 'tenant_id' and y.attname = 'tenant_id');
  return query
    select 'function', format('%s, which %s reaches, must pin its search_path: alter function %s set search_path = pg_catalog, pg_temp', f, t, f), format('alter function %s set search_path = pg_catalog, public, pg_temp', f) from tenancy.unpinned(t) f;
  return query
    select 'unique', format('unique index %s must start with tenant_id: otherwise a violation tells that another clinic has the value', i.indexrelid::regclass), null::text
    from pg_index i where i.indrelid = t and (i.indisunique or i.indisexclusion) and not i.indisprimary and not exists (select from pg_attribute a where a.attrelid = t and a.attnum = i.indkey[0] and a.attname = 'tenant_id');
  return query
    select 'index', u.why, u.remedy from tenancy.unguarded(t, open) u;
  -- A reader's own rights do not matter: any permissive policy is or-ed with the disclosure's. A restrictive one can only narrow.
  return query
    select 'policy', format('policy %I of %s is permissive: it would let %s reach rows that nobody disclosed', p.polname, t, coalesce(nullif(array_to_string(array(select case when r = 0 then 'everybody' else pg_get_userbyid(r)::text end from unnest(p.polroles) r), ', '), ''), 'everybody')),
      format('drop policy %I on %s', p.polname, t)
    from pg_policy p where p.polrelid = t and p.polpermissive and p.polname not in ('disclosed', 'through_view');
  return query
    select 'rule', format('rule %I of %s rewrites statements, with the rights of the table''s owner: it may copy rows elsewhere', r.rulename, t), format('drop rule %I on %s', r.rulename, t)
    from pg_rewrite r where r.ev_class = t and r.rulename <> '_RETURN';
  return query
    select 'view', format('%s reads %s as its owner, without asking: only the view in phi may', v.reader, t), format('drop %sview %s', case when v.materialised then 'materialized ' else '' end, v.reader) from tenancy.readers(t) v;
  return query
    select 'inheritance', format('%s inherits from %s, whose readers read its rows under other policies', t, i.inhparent::regclass), format('alter table %s no inherit %s', t, i.inhparent::regclass) from pg_inherits i where i.inhrelid = t
    union all
    select 'inheritance', format('%s inherits from %s: its rows are outside of the key, the policies and the audit of %s', i.inhrelid::regclass, t, t), format('alter table %s no inherit %s', i.inhrelid::regclass, t)
    from pg_inherits i where i.inhparent = t and kin = 'r';
  return query
    select 'publication', format('publication %I sends the rows of %s to its subscribers, past every policy', p.pubname, t), case when r.prpubid is not null then format('alter publication %I drop table %s', p.pubname, t) end
    from pg_publication p left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = t
    where r.prpubid is not null or p.puballtables or exists (select from pg_publication_namespace n where n.pnpubid = p.oid and n.pnnspid = (select c.relnamespace from pg_class c where c.oid = t));
  return query
    select 'sequence', format('column %I of %s takes its numbers from a sequence that all clinics share: a gap tells how much the others do', a.attname, t),
      case when a.attidentity <> '' then format('alter table %s alter %I drop identity', t, a.attname) else format('alter table %s alter %I drop default', t, a.attname) end
    from pg_attribute a where a.attrelid = t and a.attnum > 0 and not a.attisdropped and (a.attidentity <> '' or exists (
      select from pg_attrdef f join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass join pg_class s on s.oid = d.refobjid and s.relkind = 'S' where f.adrelid = t and f.adnum = a.attnum));
  -- ward_owner owns the reference tables: nobody logs in as it, and nothing of the application may act as it. An owner can take every protection away.
  return query
    select 'owner', format('%s belongs to %s, as which %s may act: an owner can switch row security off', t, pg_get_userbyid(c.relowner), string_agg(r.rolname, ', ' order by r.rolname)), format('alter table %s owner to ward_owner', t)
    from pg_class c join pg_roles r on r.rolcanlogin and not r.rolsuper and not r.rolcreaterole and pg_has_role(r.oid, c.relowner, 'member') and not pg_has_role(r.oid, 'ward_migrate', 'member')
    where c.oid = t and c.relowner <> 'ward_owner'::regrole group by c.relowner;
  return query
    select 'grant', format('%s on %s is granted to %s: row security does not record what it reads', string_agg(distinct a.privilege_type, ', '), t, a.grantee::regrole), format('revoke all on %s from %s', t, a.grantee::regrole)
    from pg_class c cross join lateral (
      select x.* from aclexplode(c.relacl) x
      union all select x.* from pg_attribute k cross join lateral aclexplode(k.attacl) x where k.attrelid = t) a
    where c.oid = t and a.grantee <> 0 and a.grantee <> c.relowner and a.grantee::regrole::text not in ('ward_app', 'ward_worker', 'ward_reviewer', 'ward_reader') group by a.grantee;
end $$;

-- What stands in the way of protecting a table, one line each; none: it can be protected.
create function tenancy.obstacles(t regclass, open text[] default null) returns setof text language sql stable set search_path = pg_catalog, pg_temp as $$
  select why from tenancy.hindrances(t, open)
$$;
-- +goose StatementEnd
grant execute on function tenancy.permit, tenancy.forbid, tenancy.unpinned, tenancy.readers, tenancy.unguarded, tenancy.guard_indexes, tenancy.hindrances, tenancy.obstacles to ward_migrate;

-- +goose StatementBegin
create function tenancy.register(t text, subject text, open_columns text[], oracles text[]) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into tenancy.phi_table (record_table, subject_column, open_columns, oracles) values (t, subject, open_columns, oracles)
  on conflict (record_table) do update set subject_column = excluded.subject_column, open_columns = excluded.open_columns, oracles = excluded.oracles
$$;
create function tenancy.remember_records(t text, ids uuid[], tenants uuid[], subjects uuid[]) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into tenancy.record (record_table, record_id, tenant_id, subject_id) select t, i, n, s from unnest(ids, tenants, subjects) as x(i, n, s)
  on conflict (record_id, record_table, tenant_id) do update set subject_id = excluded.subject_id, deleted_at = null
$$;
-- +goose StatementEnd
grant execute on function tenancy.register, tenancy.remember_records to ward_migrate;
reset role;

set local role ward_reader;
-- security_barrier and OFFSET 0: a caller's own conditions, leakproof ones too, stay above the disclosure filter
-- LATERAL: audit.disclosed is asked first, so that it raises also where no row passes the tenant's boundary. As a condition beside that boundary it was
-- never evaluated then, and a session without an identity saw an empty chart.
-- ORDER BY id: a scan by another index of the clinic's is finished before the first row comes out. Otherwise EXPLAIN of a LIMIT counted the records before
-- a disclosed one in that index's order, and its name, which the caller may change, bisected the others'.
-- tenant_id = (d.r).tenant: the ids and the clinic are of one identity. The boundary's own is looked up once in a statement, the ids again at a rescan: an identity
-- changed in between showed one clinic's rows under another's disclosure.
-- +goose StatementBegin
create function tenancy.make_view(t regclass) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare n text; s text;
begin
  select c.relname, ns.nspname into n, s from pg_class c join pg_namespace ns on ns.oid = c.relnamespace where c.oid = t;
  if s <> 'public' then n := s || '_' || n; end if;
  execute format('drop view if exists phi.%I', n);
  execute format('create view phi.%I with (security_barrier) as select x.* from (select audit.disclosed(%L) as r offset 0) d cross join lateral (select * from %s where id = any ((d.r).ids) and tenant_id = (d.r).tenant order by id offset 0) x offset 0', n, t::text, t);
  execute format('grant select on phi.%I to ward_app', n);
end $$;
-- +goose StatementEnd
grant execute on function tenancy.make_view to ward_migrate, ward_owner;
reset role;

set local role ward_owner;
-- Protects a table, or protects it anew after its columns changed. Run by its owner (or a role that may act as the owner); refuses with every obstacle named, and then
-- changes nothing. subject names the patient's column, open the columns that are not PHI (a version for optimistic locking, say).
-- +goose StatementBegin
create function tenancy.protect(t regclass, subject text default null, open text[] default '{}') returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare found text[]; cols text; keys text[] := array['tenant_id', 'id']; bad text; oracles text[]; part regclass;
begin
  select array_agg(o) into found from tenancy.obstacles(t, open) o;
  if found is not null then raise exception E'% cannot be protected yet:\n  %', t, array_to_string(found, E'\n  ') using errcode = '55000'; end if;
  select string_agg(x, ', ') into bad from unnest(open || coalesce(subject, 'id')) x where not exists (select from pg_attribute a where a.attrelid = t and a.attname = x and a.attnum > 0 and not a.attisdropped);
  if bad is not null then raise exception '% has no column %', t, bad using errcode = '42703'; end if;
  -- PostgreSQL 18: a virtual column is null in a trigger, and the events would name no patient
  if exists (select from pg_attribute a where a.attrelid = t and a.attname = subject and a.attgenerated = 'v') then
    raise exception 'the column % of % is a virtual generated one, which no trigger sees: make it STORED', subject, t using errcode = '55000';
  end if;
  select coalesce(array_agg(c.relname::text order by c.relname), '{}') into oracles from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = t and (i.indisunique or i.indisexclusion) and not i.indisprimary;
  if oracles <> '{}' then raise notice '%: a violation of % tells that the value exists in the same clinic; accepted, listed in tenancy.phi_table', t, array_to_string(oracles, ', '); end if;

  perform tenancy.register(t::text, subject, open, oracles);
  execute format('alter table %s enable row level security', t);
  execute format('alter table %s force row level security', t);
  execute format('drop policy if exists tenant_boundary on %s', t);
  execute format('drop policy if exists disclosed on %s', t);
  execute format('drop policy if exists through_view on %s', t);
  execute format('create policy tenant_boundary on %s as restrictive to ward_app, ward_reader using (tenant_id = (select tenancy.tenant_id())) with check (tenant_id = (select tenancy.tenant_id()))', t);
  execute format('create policy disclosed on %s to ward_app using (id = any ((select (audit.disclosed(%L)).ids)::uuid[])) with check (true)', t, t::text);
  execute format('create policy through_view on %s for select to ward_reader using (true)', t);
  execute format('drop trigger if exists audit_write on %s', t);
  execute format('create trigger audit_write after insert or update or delete on %s for each row execute function audit.on_write(%L)', t, coalesce(subject, ''));
  execute format('alter table %s enable always trigger audit_write', t);
  execute format('revoke all on %s from public, ward_app, ward_worker, ward_reviewer', t);
  select string_agg(quote_ident(a.attname), ', ') into cols from pg_attribute a where a.attrelid = t and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attname <> all (keys);
  execute format('grant insert, delete on %s to ward_app', t);
  if cols is not null then execute format('grant update (%s) on %s to ward_app', cols, t); end if;
  select string_agg(quote_ident(x), ', ') into cols from unnest(keys || open) x;
  execute format('grant select (%s) on %s to ward_app', cols, t);
  execute format('grant select on %s to ward_reader', t);
  -- a partition is its own row-security object: forced, without a policy, it is reachable through its table alone
  for part in select relid from pg_partition_tree(t) where relid <> t loop
    execute format('alter table %s enable row level security', part);
    execute format('alter table %s force row level security', part);
    execute format('revoke all on %s from public, ward_app, ward_worker, ward_reviewer, ward_reader', part);
  end loop;
  perform tenancy.make_view(t);
  perform tenancy.reindex(t);
end $$;

-- Fills tenancy.record, and the relationships if the table has any, from the rows that are there already: ids only. Run by the owner, for whom
-- row security is lifted within this one transaction.
create function tenancy.reindex(t regclass) returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare subject text; r record; strays bigint;
begin
  select subject_column into subject from tenancy.phi_table where record_table = t::text;
  execute format('alter table %s no force row level security', t);
  execute format('select count(*) from %s x where not exists (select from tenancy.tenant n where n.id = x.tenant_id and n.kind = ''clinic'')', t) into strays;
  if strays > 0 then
    raise exception '% of % belong to no clinic that ward knows', format('%s row(s)', strays), t using errcode = '23503', hint = 'ward tenant list: make the clinic, or correct tenant_id of those rows';
  end if;
  execute format('select tenancy.remember_records(%L, array_agg(id), array_agg(tenant_id), array_agg(%s)) from %s having count(*) > 0', t::text, coalesce(quote_ident(subject), 'null::uuid'), t);
  for r in select * from review.relation where record_table = t::text loop
    execute format('select review.remember_relationships(%L, %L, jsonb_agg(jsonb_build_array(id, tenant_id, %I, %I, %s, %s, %s, %s, %s))) from %s having count(*) > 0', t::text, r.kind, r.user_column, r.patient_column,
      quote_ident(r.from_column), coalesce(quote_ident(r.to_column), 'null'), coalesce(quote_ident(r.author_column), 'null'), coalesce(quote_ident(r.void_column), 'null'), coalesce(quote_ident(r.known_column), 'null'), t);
  end loop;
  execute format('alter table %s force row level security', t);
end $$;
-- +goose StatementEnd
grant execute on function tenancy.protect, tenancy.reindex to ward_migrate;

-- What the rules know about care: ids and times, no content.
create table review.relation (
  record_table   text not null references tenancy.phi_table,
  kind           text not null check (kind ~ '^[a-z][a-z_]{0,39}$'),
  user_column    text not null,
  patient_column text not null,
  from_column    text not null,
  to_column      text,
  author_column  text,   -- who wrote the row; without it, who the transaction's identity is
  void_column    text,   -- a time since when the row means nothing (a cancellation)
  known_column   text,   -- since when the system has known the row; without it, the time of the write
  primary key (record_table, kind)
);
create table review.relationship (
  record_table text not null,
  record_id    uuid not null,
  kind         text not null,
  tenant_id    uuid not null,
  user_id      uuid not null,
  patient_id   uuid not null,
  from_at      timestamptz not null,
  to_at        timestamptz,
  author_id    uuid,
  void_at      timestamptz,
  known_at     timestamptz not null,
  primary key (record_id, record_table, kind, tenant_id)  -- the same id in two clinics is no conflict
);
-- by time too: what ties two people goes on growing for years, and rules ask about some days of it
create index relationship_pair on review.relationship (tenant_id, patient_id, user_id, from_at);
create index relationship_encounter on review.relationship (tenant_id, patient_id, from_at) where kind = 'encounter';
grant select on review.relationship, review.relation to ward_worker, ward_migrate;
grant select on review.relation to ward_migrate;
grant select on tenancy.phi_table to ward_migrate;

-- +goose StatementBegin
create function review.on_relation() returns trigger language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare r review.relation; j jsonb; tab text := coalesce(pg_partition_root(tg_relid), tg_relid)::regclass::text;
begin
  if tg_op = 'DELETE' then
    update review.relationship set void_at = coalesce(void_at, clock_timestamp()) where record_id = old.id and record_table = tab and tenant_id = old.tenant_id;
    return null;
  end if;
  select * into r from review.relation where record_table = tab and kind = tg_argv[0];
  j := to_jsonb(new);
  if j->>r.user_column is null or j->>r.patient_column is null or j->>r.from_column is null then return null; end if;
  insert into review.relationship as x (record_table, record_id, kind, tenant_id, user_id, patient_id, from_at, to_at, author_id, void_at, known_at)
  values (tab, new.id, r.kind, new.tenant_id, (j->>r.user_column)::uuid, (j->>r.patient_column)::uuid, (j->>r.from_column)::timestamptz, (j->>r.to_column)::timestamptz,
    coalesce((j->>r.author_column)::uuid, tenancy.user_id()), (j->>r.void_column)::timestamptz, clock_timestamp())
  on conflict (record_id, record_table, kind, tenant_id) do update set user_id = excluded.user_id, patient_id = excluded.patient_id, from_at = excluded.from_at, to_at = excluded.to_at, void_at = excluded.void_at;
  return null;
end $$;

create function review.remember_relationships(t text, kind text, r jsonb) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into review.relationship (record_table, record_id, kind, tenant_id, user_id, patient_id, from_at, to_at, author_id, void_at, known_at)
  select t, (x->>0)::uuid, remember_relationships.kind, (x->>1)::uuid, (x->>2)::uuid, (x->>3)::uuid, (x->>4)::timestamptz, (x->>5)::timestamptz, (x->>6)::uuid, (x->>7)::timestamptz, coalesce((x->>8)::timestamptz, clock_timestamp())
  from jsonb_array_elements(r) x where x->>2 is not null and x->>3 is not null and x->>4 is not null
  on conflict (record_id, record_table, kind, tenant_id) do nothing
$$;

-- columns: {"user", "patient", "from"} and optionally {"to", "author", "void", "known"}, each naming a column of the protected table.
create function tenancy.relate(t regclass, kind text, columns jsonb) returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare bad text;
begin
  if not exists (select from tenancy.phi_table p where p.record_table = t::text) then raise exception '% is not a protected table: tenancy.protect() comes first', t using errcode = '55000'; end if;
  select string_agg(x.value, ', ') into bad from jsonb_each_text(columns) x where x.key not in ('user', 'patient', 'from', 'to', 'author', 'void', 'known')
    or not exists (select from pg_attribute a where a.attrelid = t and a.attname = x.value and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v');
  if bad is not null or columns->>'user' is null or columns->>'patient' is null or columns->>'from' is null then
    raise exception 'relate needs {"user", "patient", "from"} and may have {"to", "author", "void", "known"}, columns of %; wrong: %', t, coalesce(bad, 'one is missing') using errcode = '22023';
  end if;
  perform review.register_relation(t::text, kind, columns);
  execute format('drop trigger if exists relate_%s on %s', kind, t);
  execute format('create trigger relate_%s after insert or update or delete on %s for each row execute function review.on_relation(%L)', kind, t, kind);
  perform tenancy.reindex(t);
end $$;
create function review.register_relation(t text, kind text, c jsonb) returns void language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into review.relation values (t, kind, c->>'user', c->>'patient', c->>'from', c->>'to', c->>'author', c->>'void', c->>'known')
  on conflict (record_table, kind) do update set user_column = excluded.user_column, patient_column = excluded.patient_column, from_column = excluded.from_column, to_column = excluded.to_column,
    author_column = excluded.author_column, void_column = excluded.void_column, known_column = excluded.known_column
$$;
-- +goose StatementEnd
grant execute on function tenancy.relate, review.register_relation, review.remember_relationships to ward_migrate;
reset role;
