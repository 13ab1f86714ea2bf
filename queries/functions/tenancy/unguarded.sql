-- Indexes that a statement of ward_app's could run along although they are ordered by PHI: EXPLAIN ANALYZE counts the
-- rows passed on the way to a disclosed record, and that record, whose columns its reader may set, bisects the others'.
-- Such an index is partial, and its predicate begins with one conjunct for each of those columns, which is true of
-- every row and which only a clause that reads the column implies: ward_app may not write one, audit.evaluate does. Not
-- IS NOT NULL: of a NOT NULL column that is known to be true, and PostgreSQL 19 simplifies predicates by it. open: the
-- columns that are not PHI; null: those registered.
create or replace function tenancy.unguarded(target regclass, open text[] default null)
  returns table (index regclass, why text, remedy text)
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with own as (
    select i.*, pg_get_expr(i.indpred, i.indrelid) as pred,
      array['tenant_id', 'id'] || coalesce(
        open, (select p.open_columns from tenancy.phi_table p where p.record_table = target::text), '{}'
      ) as known
    from pg_index i
    where (i.indrelid = target or i.indrelid in (select relid from pg_partition_tree(target)))
      and not i.indisprimary
      and not exists (select from pg_inherits h where h.inhrelid = i.indexrelid)
  ),
  ordered as (
    select o.*, g.columns, g.guard
    from own o
      cross join lateral (
        select string_agg(quote_ident(a.attname), ', ' order by a.attname) as columns,
          string_agg(format('(num_nulls(%I) <> 2)', a.attname), ' AND ' order by a.attname) as guard
        from pg_attribute a
        where a.attrelid = o.indrelid
          and a.attnum > 0
          and not a.attisdropped
          and a.attname <> all (o.known)
          and (
            a.attnum = any ((o.indkey::int2[])[0:o.indnkeyatts - 1])
            or exists (
              select from regexp_matches(o.indexprs::text, ':varattno (\d+)', 'g') v(n)
              where v.n[1]::int in (0, a.attnum)
            )
          )
      ) g
    where g.guard is not null
  ),
  named as (
    select o.*, m.amname, k.conname, k.contype, k.condeferrable,
      concat(
        case when k.condeferrable then ' DEFERRABLE' end, case when k.condeferred then ' INITIALLY DEFERRED' end
      ) as deferral,
      pg_get_constraintdef(k.oid) as condef, guard || coalesce(' AND ' || pred, '') as wanted,
      replace(
        left(d.def, case when pred is null then length(d.def) else -length(' WHERE ' || pred) end),
        format(' ON ONLY %s ', o.indrelid::regclass), format(' ON %s ', o.indrelid::regclass)
      ) || coalesce(' TABLESPACE ' || quote_ident(s.spcname), '') as base
    from ordered o
      join pg_class c on c.oid = o.indexrelid
      join pg_am m on m.oid = c.relam
      cross join lateral pg_get_indexdef(o.indexrelid) d(def)
      left join pg_tablespace s on s.oid = c.reltablespace
      left join pg_constraint k on k.conindid = o.indexrelid and k.conrelid = o.indrelid and k.contype in ('u', 'x')
    where pred is null or not (pred in (guard, format('(%s)', guard)) or starts_with(pred, format('(%s AND ', guard)))
  )
  select n.indexrelid::regclass,
    format(
      'index %s orders records by %s, and a scan of the keys along it tells the rank of a record: its predicate must '
        'begin with where %s',
      n.indexrelid::regclass, n.columns, n.guard
    ),
    case
      -- a partial index serves neither; a person decides what the reference or the replica goes by instead
      when n.indisreplident or exists (select from pg_constraint f where f.conindid = n.indexrelid and f.contype = 'f')
      then null
      when n.contype = 'x' then format(
        'alter table %s drop constraint %I; alter table %1$s add constraint %2$I %s WHERE (%s)%s',
        n.indrelid::regclass, n.conname,
        left(
          n.condef,
          length(n.condef)
            - length(case when n.pred is null then '' else format(' WHERE (%s)', n.pred) end || n.deferral)
        ),
        n.wanted, n.deferral
      )
      when n.condeferrable and n.indnullsnotdistinct then null
      when n.condeferrable or n.contype = 'u' and n.indisexclusion then format(
        'alter table %s drop constraint %I; alter table %1$s add constraint %2$I EXCLUDE USING %I (%s) WHERE (%s)%s',
        n.indrelid::regclass, n.conname, n.amname,
        (
          select string_agg(
            format('%I WITH %s', a.attname, case when n.indisexclusion and x.o = n.indnkeyatts then '&&' else '=' end),
            ', ' order by x.o
          )
          from unnest((n.indkey::int2[])[0:n.indnkeyatts - 1]) with ordinality x(k, o)
            join pg_attribute a on a.attrelid = n.indrelid and a.attnum = x.k
        ),
        n.wanted, n.deferral
      )
      when n.contype = 'u'
      then format('alter table %s drop constraint %I; %s WHERE %s', n.indrelid::regclass, n.conname, n.base, n.wanted)
      else format('drop index %s; %s WHERE %s', n.indexrelid::regclass, n.base, n.wanted)
    end
  from named n
  order by 1
$$;

grant execute on function tenancy.unguarded to ward_migrate;
