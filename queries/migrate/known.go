package migrate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries"
)

// A SchemaError is a database whose schema this program does not know.
type SchemaError struct {
	Database string // the release that the database is at; "" when it has no schema of ward's
	Program  string // this program's
	Hint     string // what to do
}

// Error says what does not fit, and what to do.
func (e *SchemaError) Error() string {
	switch e.Database {
	case "":
		return "the database has no schema of ward's: " + e.Hint
	case e.Program:
		return "the database has another build of the schema of ward " + e.Database + " than this program: " + e.Hint
	}
	return fmt.Sprintf("the database has the schema of ward %s, and this program is ward %s: %s", e.Database,
		e.Program, e.Hint)
}

const installFirst = "run ward migrate on it first"

// ownRelease is the release of this program, whose files are part of it. They are read once.
var ownRelease = sync.OnceValues(func() (*release, error) { return readRelease(queries.Schema(), queries.Version) })

// Check compares the database's release with the program's own. Every login of ward's may ask. Errors: a *SchemaError
// when they differ, in either direction: an older program would write what the schema no longer means, a newer one
// would call what is not there.
func Check(ctx context.Context, db querier) error {
	r, err := ownRelease()
	if err != nil {
		return err
	}
	e := &SchemaError{Program: r.Version}
	var tables int
	var sum string
	there, err := isInstalled(ctx, db)
	if err != nil {
		return err
	}
	if !there {
		e.Hint = installFirst
		return e
	}
	err = db.QueryRow(ctx, "select version, tables, sum from core.release").Scan(&e.Database, &tables, &sum)
	switch {
	case err == nil && sum == r.Sum:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		e.Hint = installFirst
		return e
	case err != nil:
		return fmt.Errorf("ask the database for its release: %w", err)
	}
	switch own := r.Tables[len(r.Tables)-1].Version; {
	case tables > own || later(e.Database, e.Program):
		e.Hint = fmt.Sprintf("use ward %s or a later one", e.Database)
	case tables < own || e.Database != e.Program:
		e.Hint = fmt.Sprintf("run ward migrate with this program, or use ward %s", e.Database)
	default:
		e.Hint = "run ward migrate with the program that is to be used"
	}
	return e
}
