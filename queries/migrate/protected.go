package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A Lost table is registered as protected, and is not: it was dropped, renamed, or made anew under the same name. Run
// leaves it alone.
type Lost struct {
	Table  string `json:"table"`
	Why    string `json:"why"`
	Forget string `json:"forget"` // the statement that ends its registration
}

// String says it as a person reads it.
func (l Lost) String() string {
	return fmt.Sprintf("%s is registered as protected, but %s (%s)", l.Table, l.Why, l.Forget)
}

// readProtected finds the protected tables that another generator has made, those of them that the login may not
// touch, and the lost ones. It asks no table by its name, for which the login would need USAGE on the schema.
func (p *Plan) readProtected(ctx context.Context, db querier) error {
	rows, err := db.Query(ctx, `
		select t.record_table, t.generator <> $1, c.oid is not null,
		  exists (select from pg_trigger g where g.tgrelid = c.oid and g.tgname = 'audit_write'),
		  coalesce(pg_has_role(c.relowner, 'usage'), false), coalesce(quote_ident(pg_get_userbyid(c.relowner)), ''),
		  case when pg_has_role('ward_migrate', 'usage') then 'ward_migrate' else quote_ident(current_user) end
		from tenancy.phi_table t
		left join (pg_class c join pg_namespace n on n.oid = c.relnamespace)
		  on format('%I.%I', n.nspname, c.relname) = t.record_table
		order by 1`, p.release.Generator)
	if err != nil {
		return fmt.Errorf("list the protected tables: %w", err)
	}
	var table, owner, login string
	var older, there, guarded, ours bool
	_, err = pgx.ForEachRow(rows, []any{&table, &older, &there, &guarded, &ours, &owner, &login}, func() error {
		forget := fmt.Sprintf("select tenancy.unregister('%s', 'REASON')", strings.ReplaceAll(table, "'", "''"))
		switch {
		case !there:
			p.Lost = append(p.Lost, Lost{table, "it was dropped or renamed", forget})
		case !guarded:
			p.Lost = append(p.Lost, Lost{table, "nothing protects it any more: protect it again, or forget it", forget})
		case older:
			p.Protected = append(p.Protected, table)
			if !ours {
				p.notOurs = append(p.notOurs, Obstacle{
					fmt.Sprintf("%s belongs to %s: %s may not make its protection anew", table, owner, login),
					[]string{fmt.Sprintf("grant %s to %s", owner, login)},
				})
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the protected tables: %w", err)
	}
	return nil
}

// protectAgain makes anew what tenancy.protect and tenancy.relate made for the application's tables, each table in a
// transaction of its own: policies, triggers and view change together or not at all. A table that fails keeps none of
// the others from being done.
func (p *Plan) protectAgain(ctx context.Context, conn *pgx.Conn, o Options) error {
	var failed []error
	var done []string
	for _, t := range p.Protected {
		err := o.inTx(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "select tenancy.protect_again($1::text::regclass)", t)
			return err
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("protect %s anew: %w", t, err))
			continue
		}
		done = append(done, t)
	}
	p.Protected = done
	return errors.Join(failed...)
}

// quoted is a string of SQL.
var quoted = regexp.MustCompile(`'(?:[^']|'')*'`)

// generator digests what decides what tenancy.protect_again leaves at an application's table: the text of every
// function that it calls, and theirs. Of a function that they only name in a string, which is a statement, it is the
// head: a policy calls it by its arguments, whatever its body says.
func generator(all []Object) string {
	functions := map[string]Object{}
	for _, o := range all {
		if o.Kind == KindFunction {
			functions[o.Name] = o
		}
	}
	parts := map[string]string{}
	var add func(name string)
	add = func(name string) {
		o, ok := functions[name]
		if !ok || strings.HasPrefix(parts[name], "text ") {
			return
		}
		parts[name] = "text " + o.Sum
		text := comment.ReplaceAllString(o.SQL, "")
		for _, s := range quoted.FindAllString(text, -1) {
			for _, named := range qualified.FindAllString(s, -1) {
				if parts[named] == "" && functions[named].SQL != "" {
					parts[named] = "head " + head(functions[named])
				}
			}
		}
		for _, called := range qualified.FindAllString(quoted.ReplaceAllString(text, "''"), -1) {
			add(called)
		}
	}
	add("tenancy.protect_again")
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		sum.Write(fmt.Appendf(nil, "%s %s\n", name, parts[name]))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
