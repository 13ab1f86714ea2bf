package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// makeView runs a view's file. Where PostgreSQL cannot replace the view, it is dropped with those of ward's views that
// rest on it: the plan makes these anew too, but for those that no file defines any more.
func (m *maker) makeView(ctx context.Context, o Object) error {
	if err := m.own(ctx, o, o.Name); err != nil {
		return err
	}
	if err := m.ungrant(ctx, KindView, o.Name); err != nil {
		return err
	}
	err := m.try(ctx, o.SQL)
	if !hasCode(err, invalidTableDefinition) {
		return err
	}
	chain, err := m.viewsOn(ctx, o.Name)
	if err != nil {
		return err
	}
	for _, name := range chain {
		m.plan.alsoMake(key{KindView, name}, o.Name)
	}
	chain = slices.DeleteFunc(chain, func(name string) bool {
		return !m.plan.makes(key{KindView, name}) && !m.plan.drops(key{KindView, name})
	})
	_, err = m.db.Exec(ctx, "drop view "+strings.Join(chain, ", ")+"; "+o.SQL, pgx.QueryExecModeSimpleProtocol)
	return err
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

// viewsOn are a view and all views that rest on it.
func (m *maker) viewsOn(ctx context.Context, view string) ([]string, error) {
	names, err := texts(ctx, m.db, `
		with recursive v(oid) as (
		  select to_regclass($1)::oid
		  union
		  select r.ev_class
		  from v
		  join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = v.oid
		    and d.classid = 'pg_rewrite'::regclass
		  join pg_rewrite r on r.oid = d.objid
		)
		select oid::regclass::text from v`, view)
	if err != nil {
		return nil, fmt.Errorf("list the views on it: %w", err)
	}
	return names, nil
}
