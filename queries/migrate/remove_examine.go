package migrate

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// examine refuses with everything that stands in the way of the removal. Until the transaction ends or r.leave is
// called, the login is then a member of ward's roles.
func (r *remover) examine(ctx context.Context, tx pgx.Tx) error {
	there, err := isInstalled(ctx, tx)
	if err != nil {
		return err
	}
	if !there {
		return ErrNotInstalled
	}
	s, err := readServer(ctx, tx)
	if err != nil {
		return err
	}
	found := s.removers()
	r.joined = nil
	if !s.superuser {
		lacks, err := r.join(ctx, tx, s, len(found) == 0)
		if err != nil {
			return err
		}
		found = append(found, lacks...)
	}
	if len(found) > 0 { // such a login may not look further
		return &ObstaclesError{found}
	}
	// The lock of lock(). Only now: ward takes advisory locks from PUBLIC.
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtext('ward migrate'))"); err != nil {
		return fmt.Errorf("wait for a migration: %w", err)
	}
	var version, sum string
	if err := tx.QueryRow(ctx, "select version, sum from core.release").Scan(&version, &sum); err != nil {
		return fmt.Errorf("read the release of the database: %w", err)
	}
	if sum != r.release.Sum {
		return fmt.Errorf("the database is at release %s, and this program is %s with another schema: migrate first, "+
			"or remove with the program that migrated last", version, r.release.Version)
	}
	others, err := r.others(ctx, tx)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, dependents, roleNames())
	if err != nil {
		return fmt.Errorf("look what needs ward's objects: %w", err)
	}
	needing, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o Obstacle, err error) {
		var mend string
		err = row.Scan(&o.What, &mend)
		o.Mend = []string{mend}
		return o, err
	})
	if err != nil {
		return fmt.Errorf("look what needs ward's objects: %w", err)
	}
	if found := slices.Concat(others, needing); len(found) > 0 {
		return &ObstaclesError{found}
	}
	return nil
}

// others are what is protected, connected, or of somebody's among ward's own.
func (r *remover) others(ctx context.Context, tx pgx.Tx) ([]Obstacle, error) {
	var found []Obstacle
	known := slices.Sorted(maps.Keys(r.release.relations()))
	for _, look := range []struct {
		sql        string
		args       []any
		what, mend string
	}{
		{protectedTables, nil, "%s is protected", "select tenancy.unprotect('%s', 'REASON')"},
		{connected, []any{roleNames()}, "%s: stop the programs that use it", ""},
		{foreignOwned, []any{ownSchemas, roleNames(), known}, "%s belongs to a role of ward's, and is not ward's", ""},
		{foreignInside, []any{ownSchemas, roleNames()}, "%s is in a schema of ward's, and is not ward's", ""},
	} {
		objects, err := texts(ctx, tx, look.sql, look.args...)
		if err != nil {
			return nil, fmt.Errorf("look before the removal: %w", err)
		}
		for _, o := range objects {
			x := Obstacle{What: fmt.Sprintf(look.what, o)}
			if look.mend != "" {
				x.Mend = []string{fmt.Sprintf(look.mend, o)}
			}
			found = append(found, x)
		}
	}
	return found, nil
}

// removers are what the login lacks.
func (s *server) removers() []Obstacle {
	var found []Obstacle
	if !s.superuser && !s.createRole {
		found = append(found,
			Obstacle{s.login + " may not drop roles", []string{"alter role " + s.login + " createrole"}})
	}
	if !s.ownsTheBase {
		found = append(found, Obstacle{fmt.Sprintf("%s does not own the database %s", s.login, s.database),
			[]string{fmt.Sprintf("alter database %s owner to %s", s.database, s.login)}})
	}
	return found
}

// A registered table that was dropped since is no longer protected.
const protectedTables = `
select record_table from tenancy.phi_table where to_regclass(record_table) is not null order by 1`

// pg_stat_activity is refused to a login that is no superuser, since ward takes what it rests on from PUBLIC.
const connected = `
select r.rolname || ' is connected' || case when count(*) > 1 then ' ' || count(*) || ' times' else '' end
from (select pg_stat_get_backend_idset() as id) b join pg_roles r on r.oid = pg_stat_get_backend_userid(b.id)
where pg_stat_get_backend_dbid(b.id) = (select oid from pg_database where datname = current_database())
  and r.rolname = any ($1) and pg_stat_get_backend_pid(b.id) <> pg_backend_pid()
group by r.rolname order by r.rolname`

// foreignOwned are objects that a role of ward's owns and that no release has made: an application's table, say,
// which was given to ward_owner when it was protected. It may be in a schema that ward shares.
const foreignOwned = `
select pg_describe_object(s.classid, s.objid, s.objsubid)
from pg_shdepend s join pg_roles r on r.oid = s.refobjid
cross join lateral pg_identify_object(s.classid, s.objid, s.objsubid) i
left join pg_class c on s.classid = 'pg_class'::regclass and c.oid = s.objid
left join pg_type t on s.classid = 'pg_type'::regclass and t.oid = s.objid
left join pg_proc p on s.classid = 'pg_proc'::regclass and p.oid = s.objid
cross join lateral (select coalesce(c.relname, t.typname, p.proname)::text as name) n
where s.refclassid = 'pg_authid'::regclass and s.deptype = 'o' and r.rolname = any ($2)
  and s.dbid = (select oid from pg_database where datname = current_database())
  and s.classid <> 'pg_default_acl'::regclass -- ward sets those of its own roles
  and not (i.type = 'schema' and i.name = any ($1))
  and not coalesce(
    i.schema = any ($1) and (
      i.schema || '.' || n.name = any ($3)
      or p.oid is not null and i.schema || '.' || n.name in (select o.name from core.object o where o.kind = 'function')
      or i.schema = 'river' and n.name like 'river\_%'
      or i.schema = 'phi' and c.relkind = 'v'
      or i.schema = 'audit' and n.name ~ '^event_[0-9]{4}_[0-9]{2}$'
      or c.relkind = 'S' and exists (select from pg_depend d join pg_class o on o.oid = d.refobjid
        join pg_namespace m on m.oid = o.relnamespace
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
          and d.deptype in ('a', 'i') and (m.nspname || '.' || o.relname = any ($3) or m.nspname = 'river'))),
    false)
order by 1`

// foreignInside are objects of others in schemas that ward owns, which cannot be dropped around them.
const foreignInside = `
select pg_describe_object(d.classid, d.objid, 0)
from pg_namespace n join pg_depend d on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid
  and d.deptype = 'n'
where n.nspname = any ($1) and n.nspowner::regrole::text = any ($2) and d.classid <> 'pg_default_acl'::regclass
  and not exists (select from pg_shdepend s join pg_roles r on r.oid = s.refobjid
    where s.classid = d.classid and s.objid = d.objid and s.deptype = 'o' and r.rolname = any ($2)
      and s.dbid = (select oid from pg_database where datname = current_database()))
order by 1`

// dependents are objects of others that need an object of ward's, with the statement that ends it.
const dependents = `
with mine as (
  select s.classid, s.objid from pg_shdepend s join pg_roles r on r.oid = s.refobjid
  where s.refclassid = 'pg_authid'::regclass and s.deptype = 'o' and r.rolname = any ($1)
    and s.dbid = (select oid from pg_database where datname = current_database())
), tables as (
  select c.oid from pg_class c join mine m on m.classid = 'pg_class'::regclass and m.objid = c.oid
), needed as (
  select d.classid, d.objid, d.objsubid from pg_depend d
  where d.deptype in ('n', 'a') and (d.refclassid, d.refobjid) in (select classid, objid from mine
    union all select 'pg_type'::regclass, t.oid from pg_type t where t.typrelid in (select oid from tables))
)
select format('%s needs %s', pg_describe_object('pg_constraint'::regclass, k.oid, 0), k.confrelid::regclass),
  format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname)
from pg_constraint k where k.contype = 'f' and k.conparentid = 0 and k.confrelid in (select oid from tables)
  and k.conrelid not in (select oid from tables)
union
select format('%s needs an object of ward''s', pg_describe_object('pg_policy'::regclass, p.oid, 0)),
  format('drop policy %I on %s', p.polname, p.polrelid::regclass)
from pg_policy p join needed d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
where p.polrelid not in (select oid from tables)
union
select format('%s runs a function of ward''s', pg_describe_object('pg_trigger'::regclass, g.oid, 0)),
  format('drop trigger %I on %s', g.tgname, g.tgrelid::regclass)
from pg_trigger g join mine m on m.classid = 'pg_proc'::regclass and m.objid = g.tgfoid
where not g.tgisinternal and g.tgparentid = 0 and g.tgrelid not in (select oid from tables)
union
select format('%s reads ward''s objects', pg_describe_object('pg_class'::regclass, c.oid, 0)),
  format('drop %s %s', case c.relkind when 'm' then 'materialized view' else 'view' end, c.oid::regclass)
from pg_rewrite w join needed d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
join pg_class c on c.oid = w.ev_class
where c.relkind in ('v', 'm') and c.oid not in (select oid from tables)
union
select format('%s needs an object of ward''s', pg_describe_object('pg_proc'::regclass, p.oid, 0)),
  format('drop function %s', p.oid::regprocedure)
from pg_proc p join needed d on d.classid = 'pg_proc'::regclass and d.objid = p.oid
where (d.classid, p.oid) not in (select classid, objid from mine)
union
select format('%s calls a function of ward''s', pg_describe_object('pg_attrdef'::regclass, f.oid, 0)),
  format('alter table %s alter %I drop default', f.adrelid::regclass, a.attname)
from pg_attrdef f join needed d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid
join pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum
where f.adrelid not in (select oid from tables)
union
select format('%s has a type of ward''s', pg_describe_object('pg_class'::regclass, d.objid, d.objsubid)),
  format('alter table %s alter %I type text', d.objid::regclass, a.attname)
from needed d join pg_attribute a on a.attrelid = d.objid and a.attnum = d.objsubid
join pg_class c on c.oid = d.objid and c.relkind in ('r', 'p', 'f')
where d.classid = 'pg_class'::regclass and d.objsubid > 0 and d.objid not in (select oid from tables)
order by 1`
