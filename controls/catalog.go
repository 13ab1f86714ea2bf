// Package controls examines a live installation: what must hold of the database, looked for in its catalog rather than
// in the migrations that should have made it so.
package controls

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// Database is the table name of a finding about the database itself.
const Database = "(database)"

// Finding is one protection that is missing, in words for a person.
type Finding struct {
	Table string `json:"table"` // schema-qualified, or Database
	Why   string `json:"why"`
}

func (f Finding) String() string { return f.Table + ": " + f.Why }

// DB is a connection, a pool or a transaction. Its role needs SELECT on tenancy.phi_table and EXECUTE on
// tenancy.obstacles, which ward_migrate has.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Examined lists the tables that Unprotected looks at: those registered by tenancy.protect, and those of schema public
// that hold rows of a clinic (tenant_id) or have a column whose name sounds like a person.
func Examined(ctx context.Context, db DB) ([]string, error) {
	var tables []string
	err := inCatalog(ctx, db, func(q *queries.Queries, _ pgx.Tx) (err error) {
		tables, err = q.ExaminedTables(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list tables to examine: %w", err)
	}
	return tables, nil
}

// Unprotected lists what is missing of the protection that tenancy.protect gives a PHI table: row security enabled and
// forced, the restrictive tenant policy, no policy past the disclosure, the audit trigger always on, no grant beyond
// its own, the phi view as it was made, all of it on partitions too; and tables nobody protected at all. Nothing found
// and nothing examined are different things: see Examined.
func Unprotected(ctx context.Context, db DB) ([]Finding, error) {
	var found []Finding
	err := inCatalog(ctx, db, func(q *queries.Queries, _ pgx.Tx) error {
		tables, err := q.ExaminedTables(ctx)
		if err != nil {
			return err
		}
		unregistered, err := q.Unregistered(ctx, tables)
		if err != nil {
			return err
		}
		for _, u := range unregistered {
			found = append(found, Finding{u.RecordTable, fmt.Sprintf("has a column %s and is not protected: "+
				"select tenancy.protect('%s', ...)", u.ColumnName, u.RecordTable)})
		}
		missing, err := q.MissingProtections(ctx)
		if err != nil {
			return err
		}
		for _, m := range missing {
			found = append(found, Finding{m.RecordTable, m.Why})
		}
		open, err := q.OpenDatabase(ctx)
		for _, why := range open {
			found = append(found, Finding{Database, why})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("examine the protection of PHI tables: %w", err)
	}
	return found, nil
}

// inCatalog runs fn in a transaction that changes nothing and compiles nothing: the planner takes the catalog for large
// and would spend seconds.
func inCatalog(ctx context.Context, db DB, fn func(*queries.Queries, pgx.Tx) error) error {
	begun, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	tx := tenancy.Explaining(begun)
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, "set local jit = off"); err != nil {
		return err
	}
	return fn(queries.New(tx), tx)
}
