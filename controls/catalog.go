// Package controls examines a live installation: what must hold of the database, looked for in its catalog rather than in the migrations that should
// have made it so.
package controls

import (
	"context"
	"fmt"

	"github.com/ward-health/ward/queries"
)

// Database is the table name of a finding about the database itself.
const Database = "(database)"

// Finding is one protection that is missing, in words for a person.
type Finding struct {
	Table string `json:"table"` // schema-qualified, or Database
	Why   string `json:"why"`
}

func (f Finding) String() string { return f.Table + ": " + f.Why }

// Examined lists the tables that Unprotected looks at: those registered by tenancy.protect, and those of schema public that hold rows of a clinic
// (tenant_id) or have a column whose name sounds like a person. The connection needs SELECT on tenancy.phi_table and EXECUTE on
// tenancy.obstacles, which ward_migrate has.
func Examined(ctx context.Context, db queries.DBTX) ([]string, error) {
	tables, err := queries.New(db).ExaminedTables(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tables to examine: %w", err)
	}
	return tables, nil
}

// Unprotected lists what is missing of the protection that tenancy.protect gives a PHI table: row security enabled and forced, the restrictive
// tenant policy, no policy past the disclosure, the audit trigger always on, no grant beyond its own, the phi view as it was made, all of it
// on partitions too; and tables nobody protected at all. Nothing found and nothing examined are different things: see Examined.
func Unprotected(ctx context.Context, db queries.DBTX) ([]Finding, error) {
	// The planner takes the catalog for large and would compile the query for seconds.
	if _, err := db.Exec(ctx, "set jit = off"); err != nil {
		return nil, fmt.Errorf("prepare to examine: %w", err)
	}
	q := queries.New(db)
	tables, err := Examined(ctx, db)
	if err != nil {
		return nil, err
	}
	var found []Finding
	unregistered, err := q.Unregistered(ctx, tables)
	if err != nil {
		return nil, fmt.Errorf("look for unregistered tables: %w", err)
	}
	for _, u := range unregistered {
		found = append(found, Finding{u.RecordTable, fmt.Sprintf("has a column %s and is not protected: select tenancy.protect('%s', ...)", u.ColumnName, u.RecordTable)})
	}
	missing, err := q.MissingProtections(ctx)
	if err != nil {
		return nil, fmt.Errorf("examine protected tables: %w", err)
	}
	for _, m := range missing {
		found = append(found, Finding{m.RecordTable, m.Why})
	}
	open, err := q.OpenDatabase(ctx)
	if err != nil {
		return nil, fmt.Errorf("examine what PUBLIC may do: %w", err)
	}
	for _, why := range open {
		found = append(found, Finding{Database, why})
	}
	return found, nil
}
