package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// makeView runs a view's file. Where PostgreSQL cannot replace the view, it is dropped with those of ward's views that
// rest on it, which the plan then makes anew too.
func (m *maker) makeView(ctx context.Context, p *Plan, o Object) error {
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
		_, ours := m.state.objects[[2]string{KindView, name}]
		if name != o.Name && ours && !p.makes(KindView, name) {
			p.Make = append(p.Make, Change{KindView, name, "it rests on " + o.Name})
		}
	}
	chain = slices.DeleteFunc(chain, func(name string) bool { return !p.makes(KindView, name) })
	_, err = m.db.Exec(ctx, "drop view "+strings.Join(chain, ", ")+"; "+o.SQL, pgx.QueryExecModeSimpleProtocol)
	return err
}

// viewsOn are a view and all views that rest on it.
func (m *maker) viewsOn(ctx context.Context, view string) ([]string, error) {
	rows, err := m.db.Query(ctx, `
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
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the views on it: %w", err)
	}
	return names, nil
}
