package migrate

import (
	"context"
	"fmt"

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

// liveDigests digests everything about an object that its file decides: text, properties, owner, grants. The server's
// major version is part of it, since another one may print the same view in other words.
const liveDigests = `
with s as (select current_setting('server_version_num')::int / 10000 as major)
select 'function', p.oid::regprocedure::text, md5(concat_ws('|', s.major, p.prosrc, p.proowner::regrole, p.proconfig,
    p.prolang, p.provolatile, p.prosecdef, p.proleakproof, p.proisstrict, p.proparallel,
    pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
    (select string_agg(a.grantee::regrole || a.privilege_type || a.is_grantable, ',' order by a.grantee::regrole::text)
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a)))
from pg_proc p join pg_namespace n on n.oid = p.pronamespace cross join s where n.nspname = any ($1)
union all
select 'view', c.oid::regclass::text, md5(concat_ws('|', s.major, pg_get_viewdef(c.oid), c.relowner::regrole,
	c.reloptions,
    (select string_agg(a.grantee::regrole || a.privilege_type || a.is_grantable, ','
        order by a.grantee::regrole::text, a.privilege_type)
      from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a)))
from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join s where n.nspname = any ($1)
	and c.relkind = 'v'
union all
select 'triggers', c.oid::regclass::text, md5(concat_ws('|', s.major,
    string_agg(pg_get_triggerdef(t.oid) || t.tgenabled::text, ',' order by t.tgname)))
from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace cross join s
where n.nspname = any ($1) and not t.tgisinternal and t.tgparentid = 0
group by c.oid, s.major`

// schemas are those that ward's objects are in.
var schemas = []string{"core", "tenancy", "audit", "review", "auth"}

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
