-- What a plan to protect a customer's tables rests on: names and shapes from the catalog, no contents.

-- name: TableNamed :one
-- Empty: there is no such relation.
select coalesce((
  select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = to_regclass(sqlc.arg(name)::text)
), '')::text;

-- name: Dependents :many
-- Tables that refer to one of these, or inherit from one, over any number of steps: a row that names a patient is PHI
-- too.
with recursive d as (
  select x::regclass::oid as oid
  from unnest(sqlc.arg(tables)::text[]) x
  union
  select y.child
  from d
    join (
      select c.confrelid as parent, c.conrelid as child
      from pg_catalog.pg_constraint c
      where c.contype = 'f' and c.conparentid = 0
      union all
      select i.inhparent, i.inhrelid
      from pg_catalog.pg_inherits i join pg_catalog.pg_class k on k.oid = i.inhrelid
      where not k.relispartition
    ) y on y.parent = d.oid
)
select (quote_ident(n.nspname) || '.' || quote_ident(c.relname))::text
from d join pg_catalog.pg_class c on c.oid = d.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
order by d.oid;

-- name: Hindrances :many
select h.kind::text as kind, h.why::text as why, coalesce(h.remedy, '')::text as remedy
from tenancy.hindrances(sqlc.arg(record_table)::text::regclass, sqlc.arg(open_columns)::text[]) h;

-- name: Readers :many
-- Views over any of these tables, in the order in which they can be dropped, as they are defined.
select r.reader::text as reader, bool_or(r.materialised)::bool as materialised,
  pg_catalog.pg_get_viewdef(r.reader::oid)::text as definition
from unnest(sqlc.arg(tables)::text[]) x cross join lateral tenancy.readers(x::regclass) r
group by r.reader order by max(r.depth) desc, 1;

-- name: DefinersNaming :many
-- Functions that run with somebody else's rights and have the table's name in their text.
select p.oid::regprocedure::text as function, pg_catalog.pg_get_userbyid(p.proowner)::text as owner
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where p.prosecdef
  and n.nspname not in (
    'pg_catalog', 'information_schema', 'core', 'tenancy', 'audit', 'review', 'auth', 'boundary', 'river'
  )
  and p.prosrc ~* (
    '\m' || (select c.relname from pg_catalog.pg_class c where c.oid = sqlc.arg(record_table)::text::regclass) || '\M'
  )
order by 1;

-- name: Anatomy :one
select jsonb_build_object(
  'partitioned', c.relkind = 'p', 'owner', pg_catalog.pg_get_userbyid(c.relowner), 'row_security', c.relrowsecurity,
  'rows', greatest(c.reltuples, 0)::bigint,
  'schema', c.relnamespace::regnamespace::text, 'kept_out', to_jsonb(tenancy.kept_out(c.oid)),
  'registered', exists (select from tenancy.phi_table p where to_regclass(p.record_table) = c.oid),
  'columns', coalesce((
    select jsonb_agg(jsonb_build_object(
      'name', a.attname, 'type', a.atttypid::regtype::text, 'not_null', a.attnotnull, 'generated', a.attgenerated <> '',
      'identity', a.attidentity <> '',
      'from_default', case when a.attgenerated = '' then pg_catalog.pg_get_expr(f.adbin, f.adrelid) end
    ) order by a.attnum)
    from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  ), '[]'),
  'key', (
    select jsonb_build_object(
      'name', k.conname,
      'columns', (
        select jsonb_agg(a.attname order by x.n)
        from unnest(k.conkey) with ordinality x(attnum, n)
          join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.attnum
      )
    )
    from pg_catalog.pg_constraint k
    where k.conrelid = c.oid and k.contype = 'p'
  ),
  'references', coalesce((
    select jsonb_agg(jsonb_build_object(
      'name', k.conname,
      'target', (
        select quote_ident(tn.nspname) || '.' || quote_ident(t.relname)
        from pg_catalog.pg_class t join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
        where t.oid = k.confrelid
      ),
      'columns', (
        select jsonb_agg(a.attname order by x.n)
        from unnest(k.conkey) with ordinality x(attnum, n)
          join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.attnum
      ),
      'target_columns', (
        select jsonb_agg(a.attname order by x.n)
        from unnest(k.confkey) with ordinality x(attnum, n)
          join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = x.attnum
      ),
      'on_delete', k.confdeltype, 'on_update', k.confupdtype, 'deferrable', k.condeferrable, 'deferred', k.condeferred,
      'validated', k.convalidated
    ) order by k.oid)
    from pg_catalog.pg_constraint k
    where k.conrelid = c.oid and k.contype = 'f' and k.conparentid = 0
  ), '[]'),
  'uniques', coalesce((
    select jsonb_agg(jsonb_build_object(
      'name', i.indexrelid::regclass::text, 'constraint', k.conname, 'exclusion', i.indisexclusion,
      'definition', coalesce(pg_catalog.pg_get_constraintdef(k.oid), pg_catalog.pg_get_indexdef(i.indexrelid)),
      'tenant_first', exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum = i.indkey[0] and a.attname = 'tenant_id'
      )
    ) order by i.indexrelid)
    from pg_catalog.pg_index i
      left join pg_catalog.pg_constraint k on k.conindid = i.indexrelid
        and k.conrelid = c.oid
        and k.contype in ('u', 'x')
    where i.indrelid = c.oid and (i.indisunique or i.indisexclusion) and not i.indisprimary
  ), '[]'),
  'triggers', coalesce((
    select jsonb_agg(jsonb_build_object(
      'name', g.tgname, 'enabled', g.tgenabled, 'function', g.tgfoid::regprocedure::text
    ) order by g.tgname)
    from pg_catalog.pg_trigger g
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgname <> 'audit_write' and g.tgname not like 'relate\_%'
  ), '[]')
)::jsonb as anatomy
from pg_catalog.pg_class c
where c.oid = sqlc.arg(record_table)::text::regclass;
