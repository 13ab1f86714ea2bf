package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maker makes objects inside the transaction that is open on db.
type maker struct {
	db   querier
	plan *Plan
	old  []made // functions whose place another signature took
}

// apply makes what the plan lists, drops the triggers and views that no file defines any more, and writes both down.
// Functions go later: an application's policies use them until its tables are protected anew.
func (m *maker) apply(ctx context.Context) error {
	if _, err := m.db.Exec(ctx, "set local check_function_bodies = off"); err != nil {
		return fmt.Errorf("prepare for functions: %w", err)
	}
	ordered, err := inOrder(m.plan.release.Objects)
	if err != nil {
		return err
	}
	var objects []made
	for _, o := range ordered {
		if !m.plan.makes(o.key()) {
			continue
		}
		signature, err := m.make(ctx, o)
		if err != nil {
			return fmt.Errorf("%s %s: %w", o.Kind, o.Name, err)
		}
		objects = append(objects, made{Kind: o.Kind, Name: o.Name, Signature: signature, Sum: o.Sum})
	}
	if err := m.drop(ctx); err != nil {
		return err
	}
	if err := m.validate(ctx, objects); err != nil {
		return err
	}
	return m.remember(ctx, objects)
}

// make runs an object's file as its owner, so that it ends with exactly the grants that stand there, and returns a
// function's signature.
func (m *maker) make(ctx context.Context, o Object) (signature string, err error) {
	done, err := m.become(ctx, o)
	if err != nil {
		return "", err
	}
	switch o.Kind {
	case KindFunction:
		signature, err = m.makeFunction(ctx, o)
	case KindView:
		err = m.makeView(ctx, o)
	case KindTriggers:
		if err = m.dropTriggers(ctx, o.Name); err == nil {
			_, err = m.db.Exec(ctx, o.SQL, pgx.QueryExecModeSimpleProtocol)
		}
		if err == nil {
			err = m.makePartitionTriggers(ctx, o.Name)
		}
	}
	if err != nil {
		return "", explain(err)
	}
	return signature, done()
}

// become makes the transaction act as the object's owner, who needs CREATE on the schema for it and does not keep it.
func (m *maker) become(ctx context.Context, o Object) (done func() error, err error) {
	var may bool
	err = m.db.QueryRow(ctx, "select has_schema_privilege($1, $2, 'create')", o.Owner, o.schema()).Scan(&may)
	if err != nil {
		return nil, fmt.Errorf("look up the owner %s: %w", o.Owner, err)
	}
	as := "set local role " + pgx.Identifier{o.Owner}.Sanitize()
	back := "reset role"
	if !may {
		grant := fmt.Sprintf("create on schema %s %%s %s", pgx.Identifier{o.schema()}.Sanitize(), o.Owner)
		as = "set local role ward_owner; grant " + fmt.Sprintf(grant, "to") + "; " + as
		back = "set local role ward_owner; revoke " + fmt.Sprintf(grant, "from") + "; reset role"
	}
	if _, err := m.db.Exec(ctx, as, pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, fmt.Errorf("act as %s: %w", o.Owner, err)
	}
	return func() error {
		if _, err := m.db.Exec(ctx, back, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("stop acting as %s: %w", o.Owner, err)
		}
		return nil
	}, nil
}

// explain says what to do about an error that PostgreSQL leaves to the reader.
func explain(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case "42P13": // another type of result
		return fmt.Errorf("%w: add a numbered file to queries/tables that drops the old one first", err)
	case dependentObjects:
		return fmt.Errorf("%w: %s: drop that or change it first", err, strings.ReplaceAll(e.Detail, "\n", "; "))
	}
	if e.Where != "" && e.Position > 0 {
		return fmt.Errorf("%w (at character %d)", err, e.Position)
	}
	return err
}

// dropTriggers drops all triggers of one of ward's tables and of its partitions, those that somebody added too: its
// file makes what belongs there.
func (m *maker) dropTriggers(ctx context.Context, table string) error {
	statements, err := texts(ctx, m.db, `select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass)
		from pg_trigger t where not t.tgisinternal and t.tgparentid = 0
		and (t.tgrelid = to_regclass($1) or t.tgrelid in (select relid
			from pg_partition_tree(to_regclass($1))))`, table)
	if err != nil {
		return fmt.Errorf("list the triggers of %s: %w", table, err)
	}
	for _, s := range statements {
		if _, err := m.db.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// drop drops the triggers and views that no file defines any more. The views go together: one may read another.
func (m *maker) drop(ctx context.Context) error {
	var views []string
	for _, c := range m.plan.Drop {
		switch c.Kind {
		case KindFunction:
			continue
		case KindView:
			views = append(views, c.Name)
		case KindTriggers:
			if err := m.dropTriggers(ctx, c.Name); err != nil {
				return err
			}
		}
		if err := forget(ctx, m.db, c); err != nil {
			return err
		}
	}
	if len(views) == 0 {
		return nil
	}
	if _, err := m.db.Exec(ctx, "drop view if exists "+strings.Join(views, ", ")); err != nil {
		return fmt.Errorf("drop what no file defines any more: %w", explain(err))
	}
	return nil
}

// forget takes an object that was dropped out of the database's list.
func forget(ctx context.Context, db querier, c Change) error {
	_, err := db.Exec(ctx, "delete from core.object where kind = $1 and name = $2", c.Kind, c.Name)
	if err != nil {
		return fmt.Errorf("forget %s %s: %w", c.Kind, c.Name, err)
	}
	return nil
}

// validate has each language look at the bodies, which were not looked at while what they name was still to come.
func (m *maker) validate(ctx context.Context, functions []made) error {
	if _, err := m.db.Exec(ctx, "set local check_function_bodies = on"); err != nil {
		return fmt.Errorf("prepare to look at the functions: %w", err)
	}
	for _, f := range functions {
		if f.Kind != KindFunction {
			continue
		}
		_, err := m.db.Exec(ctx, `select case l.lanname when 'sql' then fmgr_sql_validator(p.oid)
			when 'plpgsql' then plpgsql_validator(p.oid) end
			from pg_proc p join pg_language l on l.oid = p.prolang where p.oid = $1::regprocedure`, f.Signature)
		if err != nil {
			return fmt.Errorf("function %s: %w", f.Name, explain(err))
		}
	}
	return nil
}

// remember writes down what was made, of which files, and what the catalog says of it.
func (m *maker) remember(ctx context.Context, objects []made) error {
	r := m.plan.release
	live, err := readLive(ctx, m.db)
	if err != nil {
		return err
	}
	for _, o := range append(objects, m.old...) {
		_, err := m.db.Exec(ctx, `insert into core.object (kind, name, signature, sum, live)
			values ($1, $2, nullif($3, ''), $4, $5)
			on conflict (kind, name) do update set signature = excluded.signature, sum = excluded.sum,
			live = excluded.live,
			  applied_at = clock_timestamp()`, o.Kind, o.Name, o.Signature, o.Sum,
			live[key{o.Kind, cmp.Or(o.Signature, o.Name)}])
		if err != nil {
			return fmt.Errorf("remember %s %s: %w", o.Kind, o.Name, err)
		}
	}
	for _, t := range r.Tables {
		_, err := m.db.Exec(ctx, `insert into core.table_file (version, name, sum) values ($1, $2, $3)
			on conflict do nothing`, t.Version, t.Name, t.Sum)
		if err != nil {
			return fmt.Errorf("remember %s: %w", t.Name, err)
		}
	}
	last := r.Tables[len(r.Tables)-1].Version
	_, err = m.db.Exec(ctx, `insert into core.release (version, tables, sum, generator) values ($1, $2, $3, $4)
		on conflict (one) do update set version = excluded.version, tables = excluded.tables, sum = excluded.sum,
		  generator = excluded.generator, migrated_at = clock_timestamp()`,
		r.Version, last, r.Sum, r.Generator)
	if err != nil {
		return fmt.Errorf("remember the release: %w", err)
	}
	return nil
}
