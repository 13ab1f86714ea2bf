-- What stands in the way of protecting a table: what kind of thing, why, and the statement that removes it; null where
-- a person has to decide more than a statement can say (the key, the references, the clinic of each row: `ward
-- protect --plan` asks).
create or replace function tenancy.hindrances(target regclass, open text[] default null)
  returns table (kind text, why text, remedy text)
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  root regclass := (
    select c.oid::regclass from pg_inherits i join pg_class c on c.oid = i.inhparent where i.inhrelid = target limit 1
  );
  is_partition boolean;
  relation_kind text;
begin
  select c.relkind::text, c.relispartition into relation_kind, is_partition from pg_class c where c.oid = target;
  if relation_kind not in ('r', 'p') then
    return query select 'table', format('%s is not a table', target), null::text;
    return;
  end if;
  if is_partition then
    return query select 'inheritance', format('%s is a partition: protect %s', target, root), null::text;
    return;
  end if;
  if (
    select array_agg(a.attname || ' ' || a.atttypid::regtype order by k.n)
    from pg_index i cross join lateral unnest(i.indkey) with ordinality k(attnum, n)
      join pg_attribute a on a.attrelid = target and a.attnum = k.attnum
    where i.indrelid = target and i.indisprimary
  ) is distinct from array['tenant_id uuid', 'id uuid'] then
    return query select 'key',
      format('the primary key of %s must be exactly (tenant_id uuid, id uuid), with random ids', target), null::text;
  end if;
  return query select 'reference',
    format(
      'foreign key %I to %s must be composite, (tenant_id, ...) references %s (tenant_id, id): a single column tells '
        'whether another clinic''s row exists',
      c.conname, c.confrelid::regclass, c.confrelid::regclass
    ),
    null::text
  from pg_constraint c
  where c.conrelid = target
    and c.contype = 'f'
    and exists (select from tenancy.phi_table p where to_regclass(p.record_table) = c.confrelid)
    and not exists (
      select from unnest(c.conkey, c.confkey) k(a, b)
        join pg_attribute x on x.attrelid = target and x.attnum = k.a
        join pg_attribute y on y.attrelid = c.confrelid and y.attnum = k.b
      where x.attname = 'tenant_id' and y.attname = 'tenant_id'
    );
  return query select 'function',
    format(
      '%s, which %s reaches, must pin its search_path: alter function %s set search_path = pg_catalog, pg_temp',
      f, target, f
    ),
    format('alter function %s set search_path = pg_catalog, public, pg_temp', f)
  from tenancy.unpinned(target) f;
  return query select 'schema',
    format(
      '%s may not enter schema %s, and %s may not let them in',
      array_to_string(tenancy.kept_out(target), ', '), c.relnamespace::regnamespace, current_user
    ),
    format(
      'grant usage on schema %s to %s', c.relnamespace::regnamespace, array_to_string(tenancy.kept_out(target), ', ')
    )
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = target
    and tenancy.kept_out(target) <> '{}'
    and not pg_has_role(n.nspowner, 'usage')
    and not has_schema_privilege(n.oid, 'usage with grant option');
  return query select 'unique',
    format(
      'unique index %s must start with tenant_id: otherwise a violation tells that another clinic has the value',
      i.indexrelid::regclass
    ),
    null::text
  from pg_index i
  where i.indrelid = target
    and (i.indisunique or i.indisexclusion)
    and not i.indisprimary
    and not exists (
      select from pg_attribute a where a.attrelid = target and a.attnum = i.indkey[0] and a.attname = 'tenant_id'
    );
  return query select 'index', u.why, u.remedy from tenancy.unguarded(target, open) u;
  -- A reader's own rights do not matter: any permissive policy is or-ed with the disclosure's. A restrictive one can
  -- only narrow.
  return query select 'policy',
    format(
      'policy %I of %s is permissive: it would let %s reach rows that nobody disclosed',
      p.polname, target,
      coalesce(
        nullif(
          array_to_string(array(
            select case when r = 0 then 'everybody' else pg_get_userbyid(r)::text end from unnest(p.polroles) r
          ), ', '),
          ''
        ),
        'everybody'
      )
    ),
    format('drop policy %I on %s', p.polname, target)
  from pg_policy p
  where p.polrelid = target and p.polpermissive and p.polname not in ('disclosed', 'through_view');
  return query select 'rule',
    format(
      'rule %I of %s rewrites statements, with the rights of the table''s owner: it may copy rows elsewhere',
      r.rulename, target
    ),
    format('drop rule %I on %s', r.rulename, target)
  from pg_rewrite r
  where r.ev_class = target and r.rulename <> '_RETURN';
  return query select 'view',
    format('%s reads %s as its owner, without asking: only the view in phi may', v.reader, target),
    format('drop %sview %s', case when v.materialised then 'materialized ' else '' end, v.reader)
  from tenancy.readers(target) v;
  return query select 'inheritance',
    format('%s inherits from %s, whose readers read its rows under other policies', target, i.inhparent::regclass),
    format('alter table %s no inherit %s', target, i.inhparent::regclass)
  from pg_inherits i
  where i.inhrelid = target
  union all
  select 'inheritance',
    format(
      '%s inherits from %s: its rows are outside of the key, the policies and the audit of %s',
      i.inhrelid::regclass, target, target
    ),
    format('alter table %s no inherit %s', i.inhrelid::regclass, target)
  from pg_inherits i
  where i.inhparent = target and relation_kind = 'r';
  return query select 'publication',
    format('publication %I sends the rows of %s to its subscribers, past every policy', p.pubname, target),
    case when r.prpubid is not null then format('alter publication %I drop table %s', p.pubname, target) end
  from pg_publication p left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = target
  where r.prpubid is not null
    or p.puballtables
    or exists (
      select from pg_publication_namespace n
      where n.pnpubid = p.oid and n.pnnspid = (select c.relnamespace from pg_class c where c.oid = target)
    );
  return query select 'sequence',
    format(
      'column %I of %s takes its numbers from a sequence that all clinics share: a gap tells how much the others do',
      a.attname, target
    ),
    case
      when a.attidentity <> '' then format('alter table %s alter %I drop identity', target, a.attname)
      else format('alter table %s alter %I drop default', target, a.attname)
    end
  from pg_attribute a
  where a.attrelid = target
    and a.attnum > 0
    and not a.attisdropped
    and (
      a.attidentity <> ''
      or exists (
        select from pg_attrdef f
          join pg_depend d on d.classid = 'pg_attrdef'::regclass
            and d.objid = f.oid
            and d.refclassid = 'pg_class'::regclass
          join pg_class s on s.oid = d.refobjid and s.relkind = 'S'
        where f.adrelid = target and f.adnum = a.attnum
      )
    );
  -- ward_owner owns the reference tables: nobody logs in as it, and nothing of the application may act as it. An owner
  -- can take every protection away.
  return query select 'owner',
    format(
      '%s belongs to %s, as which %s may act: an owner can switch row security off',
      target, pg_get_userbyid(c.relowner), string_agg(r.rolname, ', ' order by r.rolname)
    ),
    format('alter table %s owner to ward_owner', target)
  from pg_class c
    join pg_roles r on r.rolcanlogin
      and not r.rolsuper
      and not r.rolcreaterole
      and pg_has_role(r.oid, c.relowner, 'member')
      and not pg_has_role(r.oid, 'ward_migrate', 'member')
  where c.oid = target and c.relowner <> 'ward_owner'::regrole
  group by c.relowner;
  return query select 'grant',
    format(
      '%s on %s is granted to %s: row security does not record what it reads',
      string_agg(distinct a.privilege_type, ', '), target, a.grantee::regrole
    ),
    format('revoke all on %s from %s', target, a.grantee::regrole)
  from pg_class c cross join lateral (
    select x.* from aclexplode(c.relacl) x
    union all select x.* from pg_attribute k cross join lateral aclexplode(k.attacl) x where k.attrelid = target) a
  where c.oid = target
    and a.grantee <> 0
    and a.grantee <> c.relowner
    and a.grantee::regrole::text not in ('ward_app', 'ward_worker', 'ward_reviewer', 'ward_reader')
  group by a.grantee;
end $$;

grant execute on function tenancy.hindrances to ward_migrate;
