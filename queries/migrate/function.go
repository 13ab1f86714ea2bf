package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// SQLSTATEs of what cannot be replaced or dropped as it is.
const (
	invalidTableDefinition = "42P16" // a column of a view would go or change
	dependentObjects       = "2BP01" // something uses it
)

// makeFunction runs a function's file and returns the function's signature.
func (m *maker) makeFunction(ctx context.Context, o Object) (signature string, err error) {
	was := m.plan.state.objects[o.key()]
	if was.Now == "" { // it is new, or somebody dropped it
		signature, err = m.runFunction(ctx, o)
	} else {
		signature, err = m.replaceFunction(ctx, o, was.Signature)
	}
	if err != nil {
		return "", err
	}
	if _, err := m.db.Exec(ctx, "revoke execute on function "+signature+" from public"); err != nil {
		return "", fmt.Errorf("close it to PUBLIC: %w", err)
	}
	return signature, nil
}

// replaceFunction makes a function anew. Only PostgreSQL knows which signature a file makes, so the file runs while the
// old function has another name. Where it makes another signature, the old function stays as it is under that name:
// what uses it goes on using it. Where it makes the same one, all that is undone and the function is replaced.
func (m *maker) replaceFunction(ctx context.Context, o Object, was string) (string, error) {
	if err := m.own(ctx, o, was); err != nil {
		return "", err
	}
	if _, err := m.db.Exec(ctx, "savepoint ward_object"); err != nil {
		return "", fmt.Errorf("set a savepoint: %w", err)
	}
	old, err := m.renameAway(ctx, o, was)
	if err != nil {
		return "", err
	}
	signature, err := m.runFunction(ctx, o)
	if err != nil {
		return "", err
	}
	if signature != was {
		m.old = append(m.old, old)
		m.plan.Drop = append(m.plan.Drop, Change{old.Kind, old.Name, signature + " takes its place"})
		return signature, m.makeUsers(ctx, o.Name, old.Signature)
	}
	if _, err := m.db.Exec(ctx, "rollback to savepoint ward_object"); err != nil {
		return "", fmt.Errorf("go back to before it: %w", err)
	}
	if err := m.ungrant(ctx, KindFunction, was); err != nil {
		return "", err
	}
	return m.runFunction(ctx, o)
}

// runFunction runs a function's file and returns the signature of the one function that has its name then.
func (m *maker) runFunction(ctx context.Context, o Object) (string, error) {
	if _, err := m.db.Exec(ctx, o.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
		return "", err
	}
	found, err := texts(ctx, m.db, `select p.oid::regprocedure::text
		from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname || '.' || p.proname = $1`, o.Name)
	if err != nil {
		return "", fmt.Errorf("look it up: %w", err)
	}
	if len(found) != 1 {
		return "", fmt.Errorf("a file makes one function of its own name, but the catalog has %d: %v",
			len(found), found)
	}
	return found[0], nil
}

// renameAway frees the name of a function.
func (m *maker) renameAway(ctx context.Context, o Object, signature string) (old made, err error) {
	var oid uint32
	var name string
	err = m.db.QueryRow(ctx, "select p.oid, left(p.proname, 40) || '_before_' || p.oid from pg_proc p "+
		"where p.oid = $1::regprocedure", signature).Scan(&oid, &name)
	if err != nil {
		return made{}, fmt.Errorf("look up %s: %w", signature, err)
	}
	if _, err := m.db.Exec(ctx, "alter function "+signature+" rename to "+name); err != nil {
		return made{}, fmt.Errorf("rename %s: %w", signature, err)
	}
	old = made{Kind: KindFunction, Name: o.schema() + "." + name}
	if err := m.db.QueryRow(ctx, "select $1::oid::regprocedure::text", oid).Scan(&old.Signature); err != nil {
		return made{}, fmt.Errorf("look up %s: %w", name, err)
	}
	return old, nil
}

// makeUsers has those of ward's views, triggers and functions made anew that use a function whose place another
// signature took. They come after it in the order of making.
func (m *maker) makeUsers(ctx context.Context, name, old string) error {
	rows, err := m.db.Query(ctx, `
		select 'view', w.ev_class::regclass::text from pg_depend d
		join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
		where d.refclassid = 'pg_proc'::regclass and d.refobjid = $1::regprocedure
		union
		select 'triggers', g.tgrelid::regclass::text from pg_trigger g where g.tgfoid = $1::regprocedure
		union
		select 'function', n.nspname || '.' || p.proname from pg_depend d
		join pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
		join pg_namespace n on n.oid = p.pronamespace
		where d.refclassid = 'pg_proc'::regclass and d.refobjid = $1::regprocedure`, old)
	if err != nil {
		return fmt.Errorf("look who uses %s: %w", old, err)
	}
	var k key
	_, err = pgx.ForEachRow(rows, []any{&k.kind, &k.name}, func() error {
		m.plan.alsoMake(k, name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look who uses %s: %w", old, err)
	}
	return nil
}

// dropFunctions drops the functions that no file defines any more. One that something still uses stays, and is taken
// from the plan: the error says what uses it.
func (p *Plan) dropFunctions(ctx context.Context, conn *pgx.Conn, o Options) error {
	var used []Change
	var why []error
	err := o.inTx(ctx, conn, func(tx pgx.Tx) error {
		used = slices.DeleteFunc(slices.Clone(p.Drop), func(c Change) bool { return c.Kind != KindFunction })
		for before := -1; len(used) != before; { // one of them may use another
			before, why = len(used), nil
			var left []Change
			for _, c := range used {
				err := dropFunction(ctx, tx, c)
				if hasCode(err, dependentObjects) {
					left, why = append(left, c), append(why, err)
				} else if err != nil {
					return err
				}
			}
			used = left
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.Drop = slices.DeleteFunc(p.Drop, func(c Change) bool { return slices.Contains(used, c) })
	return errors.Join(why...)
}

func dropFunction(ctx context.Context, tx pgx.Tx, c Change) error {
	return pgx.BeginFunc(ctx, tx, func(sub pgx.Tx) error {
		var signature string
		err := sub.QueryRow(ctx, "select signature from core.object where kind = $1 and name = $2", c.Kind, c.Name).
			Scan(&signature)
		if err == nil {
			_, err = sub.Exec(ctx, "drop function if exists "+signature)
		}
		if err != nil {
			return fmt.Errorf("drop function %s: %w", c.Name, explain(err))
		}
		return forget(ctx, sub, c)
	})
}

// own gives a function or view that another role owns to the one that its file names. A login that may not act as the
// other role is told the statement.
func (m *maker) own(ctx context.Context, o Object, name string) error {
	owner := "select proowner from pg_proc where oid = to_regprocedure($1)"
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

// ungrant takes away what the catalog grants on a function or view, which may be more than its file says.
func (m *maker) ungrant(ctx context.Context, kind, name string) error {
	grants := `select '', a.* from pg_proc c cross join lateral aclexplode(c.proacl) a
		where c.oid = to_regprocedure($1)`
	object := "function " + name
	if kind == KindView {
		grants = `select '', a.* from pg_class c cross join lateral aclexplode(c.relacl) a where c.oid = to_regclass($1)
			union all
			select format('(%I)', f.attname), a.* from pg_attribute f cross join lateral aclexplode(f.attacl) a
			where f.attrelid = to_regclass($1)`
		object = name
	}
	revokes, err := texts(ctx, m.db, `
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
