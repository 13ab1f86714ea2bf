-- What the live catalog says about the protection of PHI tables. It trusts the registry for nothing but names: each
-- line of tenancy.protect is looked for by itself, so that a migration which takes one away is found.

-- name: ExaminedTables :many
-- Registered tables, and tables of schema public that hold a clinic's rows or have a column that sounds like a person.
select x.record_table::text
from (
  select p.record_table
  from tenancy.phi_table p
  union
  select (case when n.nspname = 'public' then 'public.' || quote_ident(c.relname) else '' end)::text
  from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspname = 'public'
    and c.relkind in ('r', 'p')
    and not c.relispartition
    and (
      a.attname = 'tenant_id'
      or a.attname
        ~* '(^|_)(ssn|social_security|birth|dob|mrn|medical_record|patient|diagnos|icd|phone|mobile|fax|email|e_mail|'
          'address|street|zip|postcode|insurance|policy_number|first_name|last_name|surname|maiden|gender|sex|race|'
          'allerg|medication|prescription)'
    )
) x
order by 1;

-- name: Unregistered :many
-- Of the examined tables those that nobody protected, with the first column that says so.
select x.record_table::text as record_table, min(a.attname::text)::text as column_name
from unnest(sqlc.arg(tables)::text[]) x(record_table)
  join pg_catalog.pg_attribute a on a.attrelid = x.record_table::regclass and a.attnum > 0 and not a.attisdropped
where not exists (select from tenancy.phi_table p where p.record_table = x.record_table)
  and (
    a.attname = 'tenant_id'
    or a.attname
      ~* '(^|_)(ssn|social_security|birth|dob|mrn|medical_record|patient|diagnos|icd|phone|mobile|fax|email|e_mail|'
        'address|street|zip|postcode|insurance|policy_number|first_name|last_name|surname|maiden|gender|sex|race|'
        'allerg|medication|prescription)'
  )
group by 1 order by 1;

-- name: MissingProtections :many
with t as (select p.record_table, p.open_columns, to_regclass(p.record_table)::oid as oid from tenancy.phi_table p),
c as (
  select t.record_table, t.open_columns, k.*, pg_catalog.pg_get_userbyid(k.relowner)::text as owner
  from t join pg_catalog.pg_class k on k.oid = t.oid
),
pol as (
  select c.record_table, p.polname, p.polpermissive, p.polcmd, pg_catalog.pg_get_expr(p.polqual, p.polrelid) as qual,
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as wcheck,
    array(
      select case when r = 0 then 'public' else pg_catalog.pg_get_userbyid(r)::text end from unnest(p.polroles) r
    ) as roles
  from c join pg_catalog.pg_policy p on p.polrelid = c.oid
),
v as (
  select c.record_table,
    (case when n.nspname = 'public' then c.relname::text else n.nspname || '_' || c.relname end) as name
  from c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
),
vw as (
  select v.record_table, v.name, k.oid, k.relowner, k.relacl, k.reloptions
  from v
    left join pg_catalog.pg_class k on k.relname = v.name
      and k.relkind = 'v'
      and k.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = 'phi')
),
part as (
  select c.record_table, k.oid, k.oid::regclass::text as name, k.relrowsecurity, k.relforcerowsecurity, k.relowner,
    k.relacl
  from c cross join lateral pg_catalog.pg_partition_tree(c.oid) pt join pg_catalog.pg_class k on k.oid = pt.relid
  where k.oid <> c.oid
)
select x.record_table::text as record_table, x.why::text as why
from (
  select t.record_table, 'is registered and does not exist' as why
  from t
  where t.oid is null
  union all
  select c.record_table, 'row level security is not enabled'
  from c
  where not c.relrowsecurity
  union all
  select c.record_table, 'row level security is not forced: its owner passes by'
  from c
  where not c.relforcerowsecurity
  union all
  select c.record_table, 'no restrictive policy holds ward_app and ward_reader to the tenant'
  from c
  where not exists (
    select from pol
    where pol.record_table = c.record_table
      and not pol.polpermissive
      and pol.polcmd = '*'
      and pol.roles @> array['ward_app', 'ward_reader']
      and pol.qual = '(tenant_id = ( SELECT tenancy.tenant_id() AS tenant_id))'
      and pol.wcheck = pol.qual
  )
  union all
  select pol.record_table, format('policy %s lets ward_app reach rows that nobody disclosed', pol.polname)
  from pol
  where pol.polpermissive
    and pol.polcmd <> 'a'
    and pol.roles && array['ward_app', 'public']
    and coalesce(pol.qual, '')
      <> format('(id = ANY (( SELECT (tenancy.disclosed(%L::text)).ids AS ids)::uuid[]))', pol.record_table)
  union all
  select c.record_table, 'writes are not audited: the trigger audit_write is missing, changed or not enabled always'
  from c
  where not exists (
    select from pg_catalog.pg_trigger g
    where g.tgrelid = c.oid
      and g.tgname = 'audit_write'
      and g.tgenabled = 'A'
      and g.tgtype = 29
      and g.tgqual is null
      and g.tgattr = ''
      and g.tgfoid = 'tenancy.on_write'::regproc
  )
  union all
  select c.record_table,
    format(
      '%s on it is granted to %s',
      a.privilege_type, case when a.grantee = 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee) end
    )
  from c cross join lateral pg_catalog.aclexplode(c.relacl) a
  where a.grantee <> c.relowner
    and (
      a.is_grantable
      or not (
        pg_catalog.pg_get_userbyid(a.grantee) = 'ward_app' and a.privilege_type in ('INSERT', 'DELETE')
        or pg_catalog.pg_get_userbyid(a.grantee) = 'ward_reader' and a.privilege_type = 'SELECT'
      )
    )
  union all
  select c.record_table,
    format(
      '%s of its column %s is granted to %s',
      a.privilege_type, k.attname,
      case when a.grantee = 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee) end
    )
  from c
    join pg_catalog.pg_attribute k on k.attrelid = c.oid and k.attnum > 0 and not k.attisdropped
    cross join lateral pg_catalog.aclexplode(k.attacl) a
  where a.grantee <> c.relowner
    and (
      a.is_grantable
      or not (
        pg_catalog.pg_get_userbyid(a.grantee) = 'ward_app'
        and (a.privilege_type = 'SELECT' and (k.attname in ('tenant_id', 'id') or k.attname = any (c.open_columns))
          or a.privilege_type = 'UPDATE' and k.attname not in ('tenant_id', 'id'))
      )
    )
  union all
  select vw.record_table, 'the view phi.' || vw.name || ' is missing'
  from vw
  where vw.oid is null
  union all
  select vw.record_table,
    'the view phi.' || vw.name || ' is not ward_reader''s, no security barrier, or shows more than what was disclosed'
  from vw
  where vw.oid is not null
    and not (
      pg_catalog.pg_get_userbyid(vw.relowner) = 'ward_reader'
      and coalesce(vw.reloptions::text[] @> array['security_barrier=true'], false)
      and pg_catalog.pg_get_viewdef(vw.oid) like '%SELECT tenancy.disclosed(' || quote_literal(vw.record_table)
        || '::text)%'
      and pg_catalog.pg_get_viewdef(vw.oid) like '%= ANY ((d.r).ids))%= (d.r).tenant)%ORDER BY %OFFSET 0%'
    )
  union all
  select vw.record_table,
    format(
      'the view phi.%s is granted to %s for %s',
      vw.name,
      case when a.grantee = 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee) end,
      a.privilege_type
    )
  from vw cross join lateral pg_catalog.aclexplode(vw.relacl) a
  where a.grantee <> vw.relowner
    and not (pg_catalog.pg_get_userbyid(a.grantee) = 'ward_app' and a.privilege_type = 'SELECT' and not a.is_grantable)
  union all
  select part.record_table, format('row level security of its partition %s is not enabled and forced', part.name)
  from part
  where not (part.relrowsecurity and part.relforcerowsecurity)
  union all
  select part.record_table, format('its partition %s has a policy of its own', part.name)
  from part
  where exists (select from pg_catalog.pg_policy p where p.polrelid = part.oid)
  union all
  select part.record_table, format('writes to its partition %s are not audited', part.name)
  from part
  where not exists (
    select from pg_catalog.pg_trigger g
    where g.tgrelid = part.oid
      and g.tgname = 'audit_write'
      and g.tgenabled = 'A'
      and g.tgfoid = 'tenancy.on_write'::regproc
  )
  union all
  select part.record_table,
    format(
      '%s on its partition %s is granted to %s',
      a.privilege_type, part.name,
      case when a.grantee = 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee) end
    )
  from part cross join lateral pg_catalog.aclexplode(part.relacl) a
  where a.grantee <> part.relowner
  union all
  select distinct c.record_table, format('%s reads it without asking: only phi.%s may', r.ev_class::regclass, c.relname)
  from c
    join pg_catalog.pg_depend d on d.refclassid = 'pg_class'::regclass
      and d.refobjid = c.oid
      and d.classid = 'pg_rewrite'::regclass
    join pg_catalog.pg_rewrite r on r.oid = d.objid
    join pg_catalog.pg_class k on k.oid = r.ev_class
    join pg_catalog.pg_namespace n on n.oid = k.relnamespace
  where r.ev_class <> c.oid and n.nspname <> 'phi'
  union all
  select c.record_table, o.o
  from c cross join lateral tenancy.obstacles(c.oid::regclass) o(o)
) x
order by 1, 2;

-- name: OpenDatabase :many
-- What PUBLIC may do that an attack on the policies needs. Cloning or restoring a database brings it back: its own
-- grants are not part of a dump.
select x.why::text
from (
  select 'PUBLIC may create temporary objects, which are searched before a function''s own' as why
  where exists (
    select from pg_catalog.pg_database d
      cross join lateral pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
    where d.datname = current_database() and a.grantee = 0 and a.privilege_type = 'TEMPORARY'
  )
  union all
  select 'PUBLIC may create objects in schema public'
  where exists (
    select from pg_catalog.pg_namespace n
      cross join lateral pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
    where n.nspname = 'public' and a.grantee = 0 and a.privilege_type = 'CREATE'
  )
) x
order by 1;
