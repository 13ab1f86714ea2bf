package migrate

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// querier is a connection, a transaction or a pool.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// texts reads rows of one text.
func texts(ctx context.Context, db querier, sql string, args ...any) ([]string, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// liveDigests digests everything about an object that its file decides: text, properties, owner, grants. Nothing in a
// digest may differ between two databases that hold the same objects, such as an OID: a restored dump is compared with
// what its origin remembered. Before the digest stand what may differ: the way in which it was made, and the server's
// major version, since another one may print the same view in other words (see differs).
//
// The triggers of a partition must be those of its table, apart from the table's name. A difference is part of the
// table's digest; the partitions themselves are not, since months come and go.
const liveDigests = `
with way as (select '` + digestWay + `:' || current_setting('server_version_num')::int / 10000 || ':' as prefix),
triggers as (
  select coalesce(root.oid, c.oid) as table_oid, c.oid <> coalesce(root.oid, c.oid) as of_partition, c.oid as rel,
    t.tgname,
    replace(pg_get_triggerdef(t.oid), ' ON ' || c.oid::regclass || ' ', ' ON it ') || t.tgenabled::text as text
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join pg_class root on c.relispartition and root.oid = pg_partition_root(c.oid)
  join pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal
  where n.nspname = any ($1)
), strange as (
  select p.parent, string_agg(concat_ws('|', p.child::regclass, x.has, 'without ' || x.lacks), ','
    order by p.child::regclass::text, x.has, x.lacks) as text
  from (select pg_partition_root(c.oid)::oid as parent, c.oid as child from pg_class c where c.relispartition) p
  cross join lateral (
    select child.text as has, parent.text as lacks
    from (select t.text from triggers t where t.rel = p.child) child
    full join (select t.text from triggers t where t.rel = p.parent) parent on child.text = parent.text
    where child.text is null or parent.text is null
  ) x
  group by p.parent
)
select 'function', p.oid::regprocedure::text, way.prefix || md5(concat_ws('|', p.prosrc, p.proowner::regrole,
    p.proconfig, l.lanname, p.provolatile, p.prosecdef, p.proleakproof, p.proisstrict, p.proparallel,
    pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
    (select string_agg(a.grantee::regrole || a.privilege_type || a.is_grantable, ',' order by a.grantee::regrole::text)
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a)))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang cross join way
where n.nspname = any ($1)
union all
select 'view', c.oid::regclass::text, way.prefix || md5(concat_ws('|', pg_get_viewdef(c.oid), c.relowner::regrole,
    c.reloptions,
    (select string_agg(a.grantee::regrole || a.privilege_type || a.is_grantable, ','
        order by a.grantee::regrole::text, a.privilege_type)
      from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a),
    (select string_agg(f.attname || a.grantee::regrole || a.privilege_type || a.is_grantable, ','
        order by f.attname, a.grantee::regrole::text, a.privilege_type)
      from pg_attribute f cross join aclexplode(f.attacl) a where f.attrelid = c.oid)))
from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join way
where n.nspname = any ($1) and c.relkind = 'v'
union all
select 'triggers', t.table_oid::regclass::text, way.prefix || md5(concat_ws('|',
    string_agg(t.text, ',' order by t.tgname) filter (where not t.of_partition),
    (select s.text from strange s where s.parent = t.table_oid)))
from triggers t cross join way
group by t.table_oid, way.prefix`

// digestWay is another one whenever liveDigests computes another digest of the same object.
const digestWay = "2"

// readLive reads the digest of every object in ward's schemas, by kind and by name or signature.
func readLive(ctx context.Context, db querier) (map[key]string, error) {
	rows, err := db.Query(ctx, liveDigests, schemas)
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	live := map[key]string{}
	var kind, name, digest string
	_, err = pgx.ForEachRow(rows, []any{&kind, &name, &digest}, func() error {
		live[key{kind, name}] = digest
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return live, nil
}

// differs says why the digest that was remembered is another than the catalog's now, or "". ChangedByHand accuses
// somebody, so it is said only of two digests that the same server has made in the same way.
func (o made) differs() string {
	if o.Live == o.Now {
		return ""
	}
	was, is := strings.Split(o.Live, ":"), strings.Split(o.Now, ":")
	switch {
	case len(was) != len(is) || was[0] != is[0]:
		return AnotherRelease
	case was[1] != is[1]:
		return AnotherServer
	}
	return ChangedByHand
}
