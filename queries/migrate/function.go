package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs of what cannot be replaced as it is.
const (
	ambiguousFunction      = "42725" // a statement names a function of which there are two
	invalidTableDefinition = "42P16" // a column of a view would go or change
)

// makeFunction runs a function's file and returns the function's signature.
func (m *maker) makeFunction(ctx context.Context, o Object) (string, error) {
	was := m.state.objects[[2]string{o.Kind, o.Name}].Signature
	if err := m.own(ctx, o, was); err != nil {
		return "", err
	}
	if err := m.ungrant(ctx, KindFunction, was); err != nil {
		return "", err
	}
	err := m.try(ctx, o.SQL)
	if hasCode(err, ambiguousFunction) && was != "" {
		// the signature changed, and the file's own statements after the first would mean either
		if was, err = m.setAside(ctx, was); err == nil {
			_, err = m.db.Exec(ctx, o.SQL, pgx.QueryExecModeSimpleProtocol)
		}
	}
	if err != nil {
		return "", err
	}
	signature, err := m.signature(ctx, o, was)
	if err != nil {
		return "", err
	}
	if was != "" && was != signature {
		m.old = append(m.old, was)
	}
	if _, err := m.db.Exec(ctx, "revoke execute on function "+signature+" from public"); err != nil {
		return "", fmt.Errorf("close it to PUBLIC: %w", err)
	}
	return signature, nil
}

// try runs statements after a savepoint, to which it goes back when they fail.
func (m *maker) try(ctx context.Context, sql string) error {
	_, err := m.db.Exec(ctx, "savepoint ward_object; "+sql, pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		return nil
	}
	if _, back := m.db.Exec(ctx, "rollback to savepoint ward_object"); back != nil {
		return errors.Join(err, fmt.Errorf("go back to before it: %w", back))
	}
	return err
}

func hasCode(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}

// own gives a function or view that another role owns to the one that its file names. A login that may not act as the
// other role is told the statement.
func (m *maker) own(ctx context.Context, o Object, name string) error {
	owner := "select proowner from pg_proc where oid = case when $1 <> '' then to_regprocedure($1) end"
	if o.Kind == KindView {
		owner = "select relowner from pg_class where oid = to_regclass($1)"
	}
	var other string
	var may bool
	err := m.db.QueryRow(ctx, `select quote_ident(r.rolname), pg_has_role(session_user, r.oid, 'member')
		from pg_roles r where r.oid = (`+owner+`) and r.oid <> $2::regrole`, name, o.Owner).Scan(&other, &may)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up its owner: %w", err)
	}
	role := pgx.Identifier{o.Owner}.Sanitize()
	give := fmt.Sprintf("alter %s %s owner to %s", o.Kind, name, role)
	if !may {
		return fmt.Errorf("it belongs to %s, as which this login may not act: as %s or a superuser, run %s; "+
			"then migrate again", other, other, give)
	}
	_, err = m.db.Exec(ctx, "reset role; "+give+"; set local role "+role, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return fmt.Errorf("give it to %s: %w", o.Owner, err)
	}
	return nil
}

// setAside renames a function whose place another signature takes. What uses it goes on using it until that was made
// anew.
func (m *maker) setAside(ctx context.Context, signature string) (string, error) {
	var oid uint32
	var name string
	err := m.db.QueryRow(ctx, "select p.oid, quote_ident(left(p.proname, 40) || '__before') from pg_proc p "+
		"where p.oid = $1::regprocedure", signature).Scan(&oid, &name)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", signature, err)
	}
	if _, err := m.db.Exec(ctx, "alter function "+signature+" rename to "+name); err != nil {
		return "", fmt.Errorf("set %s aside: %w", signature, err)
	}
	var now string
	if err := m.db.QueryRow(ctx, "select $1::oid::regprocedure::text", oid).Scan(&now); err != nil {
		return "", fmt.Errorf("look up %s: %w", name, err)
	}
	return now, nil
}

// signature is the function that a file has just made: the one of its name that was not there before.
func (m *maker) signature(ctx context.Context, o Object, was string) (string, error) {
	rows, err := m.db.Query(ctx, `select p.oid::regprocedure::text
		from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname || '.' || p.proname = $1`, o.Name)
	if err != nil {
		return "", fmt.Errorf("look it up: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("look it up: %w", err)
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(s string) bool { return s == was })
	}
	if len(found) != 1 {
		return "", fmt.Errorf("a file makes one function of its own name, but the catalog has %d: %v",
			len(found), found)
	}
	return found[0], nil
}

// ungrant takes away what the catalog grants on a function or view, which may be more than its file says.
func (m *maker) ungrant(ctx context.Context, kind, name string) error {
	grants := `select '', a.* from pg_proc c cross join lateral aclexplode(c.proacl) a
		where c.oid = case when $1 <> '' then to_regprocedure($1) end`
	object := "function " + name
	if kind == KindView {
		grants = `select '', a.* from pg_class c cross join lateral aclexplode(c.relacl) a where c.oid = to_regclass($1)
			union all
			select format('(%I)', f.attname), a.* from pg_attribute f cross join lateral aclexplode(f.attacl) a
			where f.attrelid = to_regclass($1)`
		object = name
	}
	revokes, err := column(ctx, m.db, `
		select distinct format('revoke all %s on %s from %s cascade', g.of_column, $2::text,
			case when g.grantee = 0 then 'public' else quote_ident(g.grantee::regrole::text) end)
		from (`+grants+`) g (of_column, grantor, grantee, privilege, grantable) where g.grantee <> g.grantor`,
		name, object)
	if err != nil {
		return fmt.Errorf("read its grants: %w", err)
	}
	for _, r := range revokes {
		if _, err := m.db.Exec(ctx, r); err != nil {
			return fmt.Errorf("take its grants away: %w", err)
		}
	}
	return nil
}

func (m *maker) dropFunction(ctx context.Context, signature string) error {
	if _, err := m.db.Exec(ctx, "drop function if exists "+signature); err != nil {
		return fmt.Errorf("drop function %s: %w", signature, explain(err))
	}
	return nil
}
