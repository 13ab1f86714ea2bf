package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// LockTimeout is how long an upgrade waits for one lock that somebody else holds, before it gives up what it has and
// tries again. Whoever comes after it in the lock's queue waits as long. Whoever needs a lock that it has already waits
// for each further one too.
const LockTimeout = time.Second

// Options of Run.
type Options struct {
	// Wait is how long Run tries again when a lock was not to be had; 0 is a minute.
	Wait time.Duration
	// Files and Version are the release; the program's own where they are zero. A test upgrades to another one.
	Files   fs.FS
	Version string
	// Said is told of what is tried again, or nil.
	Said func(string)
}

func (o Options) release() (*release, error) {
	if o.Files == nil {
		return ownRelease()
	}
	return readRelease(o.Files, o.Version)
}

// Look returns what Run would do, and changes nothing.
func Look(ctx context.Context, url string, o Options) (p *Plan, err error) {
	r, err := o.release()
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	err = o.inTx(ctx, conn, func(tx pgx.Tx) error {
		if p, err = newPlan(ctx, tx, r); err != nil {
			return err
		}
		x, err := p.examine(ctx, tx)
		p.Obstacles, p.Takes = x.obstacles, x.takes
		p.listed()
		return err
	})
	return p, err
}

// ErrUnfinished is a database that is at this release, but for a table's protection or for a function that should have
// gone. Calling Run again goes on with that.
var ErrUnfinished = errors.New("the schema is at this release, but not everything is done")

// Run brings the database at url to this release and returns what it did. The first time the login needs CREATEROLE and
// must own the database, since the roles are made then; later it is ward_migrate. Calls at the same time wait for each
// other.
//
// Errors: ErrNewer; *ObstaclesError; a *pgconn.PgError of the statement that failed. Nothing has changed then, and the
// plan is nil. ErrUnfinished comes with the plan: what it lists was done, except for what the error names.
func Run(ctx context.Context, url string, o Options) (*Plan, error) {
	r, err := o.release()
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer hangUp(ctx, conn)
	unlock, err := lock(ctx, conn)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var p *Plan
	err = o.inTx(ctx, conn, func(tx pgx.Tx) error {
		p, err = upgrade(ctx, tx, r, o.Said)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(p.protectAgain(ctx, conn, o), p.dropFunctions(ctx, conn, o)); err != nil {
		return p, fmt.Errorf("%w: %w", ErrUnfinished, err)
	}
	return p, nil
}

// upgrade is what one transaction does: the numbered files, then the objects.
func upgrade(ctx context.Context, tx pgx.Tx, r *release, said func(string)) (*Plan, error) {
	p, err := newPlan(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	x, err := p.examine(ctx, tx)
	if err != nil {
		return nil, err
	}
	if len(x.obstacles) > 0 {
		return nil, &ObstaclesError{x.obstacles}
	}
	first := p.From == ""
	if tables := p.Tables; len(tables) > 0 {
		if err := p.applyTables(ctx, tx); err != nil {
			return nil, err
		}
		if p, err = newPlan(ctx, tx, r); err != nil { // a numbered file may have dropped what a file makes
			return nil, err
		}
		p.Tables = tables
	}
	m := maker{db: tx, plan: p}
	if !p.Empty() {
		if err := m.apply(ctx); err != nil {
			return nil, err
		}
	}
	if p.Takes, err = x.take(ctx, tx, first, said); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "set local role ward_owner; select audit.ensure_months(); reset role",
		pgx.QueryExecModeSimpleProtocol); err != nil {
		return nil, fmt.Errorf("make the months of the audit log: %w", err)
	}
	return p, nil
}

// applyTables runs the numbered files that the database has not seen, in order.
func (p *Plan) applyTables(ctx context.Context, tx pgx.Tx) error {
	for _, t := range p.release.Tables {
		if !slices.Contains(p.Tables, t.Name) {
			continue
		}
		if _, err := tx.Exec(ctx, t.text, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("tables/%s: %w", t.Name, explain(err))
		}
	}
	return nil
}
