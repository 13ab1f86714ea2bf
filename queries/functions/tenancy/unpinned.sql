-- Functions without a pinned search_path that a trigger, policy, check, default, index or statistics object of the
-- table reaches: each could be led to the caller's own objects and carry row contents out.
create or replace function tenancy.unpinned(target regclass)
  returns setof text
  language sql stable
  set search_path = pg_catalog, pg_temp
as $$
  with reached as (
    select tgfoid as f
    from pg_trigger
    where tgrelid = target and not tgisinternal
    union
    select d.refobjid
    from pg_constraint c
      join pg_depend d on d.classid = 'pg_constraint'::regclass
        and d.objid = c.oid
        and d.refclassid = 'pg_proc'::regclass
    where c.conrelid = target
    union
    select d.refobjid
    from pg_attrdef a
      join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = a.oid and d.refclassid = 'pg_proc'::regclass
    where a.adrelid = target
    union
    select d.refobjid
    from pg_index i
      join pg_depend d on d.classid = 'pg_class'::regclass
        and d.objid = i.indexrelid
        and d.refclassid = 'pg_proc'::regclass
    where i.indrelid = target
    union
    select d.refobjid
    from pg_policy p
      join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass
    where p.polrelid = target
    union
    select d.refobjid
    from pg_statistic_ext x
      join pg_depend d on d.classid = 'pg_statistic_ext'::regclass
        and d.objid = x.oid
        and d.refclassid = 'pg_proc'::regclass
    where x.stxrelid = target
  )
  select p.oid::regprocedure::text
  from reached join pg_proc p on p.oid = reached.f join pg_language l on l.oid = p.prolang
  where l.lanname not in ('internal', 'c')
    -- pg_temp last: unnamed or named earlier, it is searched first for types
    and not exists (select from unnest(p.proconfig) c where c ~ '^search_path=.+, pg_temp$' and c !~ 'pg_temp.*pg_temp')
$$;

grant execute on function tenancy.unpinned to ward_migrate;
