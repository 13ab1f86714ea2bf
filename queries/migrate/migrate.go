package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// LockTimeout is how long an upgrade waits for a lock that somebody else holds, before it gives up what it has and
// tries again: whoever comes after it in the lock's queue waits as long, and no longer.
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
func Look(ctx context.Context, url string, o Options) (*Plan, error) {
	r, err := o.release()
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer hangUp(conn)
	p, err := newPlan(ctx, conn.Conn(), r)
	if err != nil {
		return nil, err
	}
	x, err := p.examine(ctx, conn.Conn())
	p.Obstacles, p.Takes = x.obstacles, x.takes
	p.listed()
	return p, err
}

// Run brings the database at url to this release and returns what it did. The first time the login needs CREATEROLE and
// must own the database, since the roles are made then; later it is ward_migrate. Calls at the same time wait for each
// other. Errors: ErrNewer; *ObstaclesError; a *pgconn.PgError of the statement that failed, after which nothing has
// changed.
func Run(ctx context.Context, url string, o Options) (*Plan, error) {
	r, err := o.release()
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer hangUp(conn)
	unlock, err := lock(ctx, conn.Conn())
	if err != nil {
		return nil, err
	}
	defer unlock()
	var p *Plan
	err = o.patiently(ctx, func() error {
		p, err = migrateOnce(ctx, conn, r, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, protectAgain(ctx, conn.Conn(), p.Protected, o)
}

// migrateOnce is the whole upgrade in one transaction.
func migrateOnce(ctx context.Context, conn *stdlib.Conn, r *release, o Options) (p *Plan, err error) {
	err = pgx.BeginFunc(ctx, conn.Conn(), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf("set local lock_timeout = %d", LockTimeout.Milliseconds()))
		if err != nil {
			return fmt.Errorf("begin the migration: %w", err)
		}
		p, err = inTransaction(ctx, conn, tx, r, o)
		return err
	})
	return p, err
}

func inTransaction(ctx context.Context, conn *stdlib.Conn, tx pgx.Tx, r *release, o Options) (*Plan, error) {
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
	if len(p.Tables) > 0 {
		if err := applyTables(ctx, conn, r); err != nil {
			return nil, err
		}
		tables := p.Tables
		if p, err = newPlan(ctx, tx, r); err != nil { // a numbered file drops what it changes the signature of
			return nil, err
		}
		p.Tables = tables
	}
	m := maker{db: tx, state: p.state}
	if !p.Empty() {
		if err := m.apply(ctx, p); err != nil {
			return nil, err
		}
	}
	if p.Takes, err = x.take(ctx, tx, first, o.Said); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "select audit.ensure_months()"); err != nil {
		return nil, fmt.Errorf("make the months of the audit log: %w", err)
	}
	return p, nil
}

// lock waits until no other migration of this database runs.
func lock(ctx context.Context, db *pgx.Conn) (unlock func(), err error) {
	if _, err := db.Exec(ctx, "select pg_advisory_lock(hashtext('ward migrate'))"); err != nil {
		return nil, fmt.Errorf("wait for another migration: %w", err)
	}
	return func() {
		_, _ = db.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock(hashtext('ward migrate'))")
	}, nil
}

// patiently runs try until it gets its locks.
func (o Options) patiently(ctx context.Context, try func() error) error {
	wait := o.Wait
	if wait == 0 {
		wait = time.Minute
	}
	deadline := time.Now().Add(wait)
	pause := 100 * time.Millisecond
	for {
		err := try()
		if !isLockTimeout(err) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: another transaction held a lock for %s; end it (pg_stat_activity names it) and "+
				"migrate again",
				err, wait)
		}
		if o.Said != nil {
			o.Said("another transaction holds a lock: nothing was changed, trying again")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a lock: %w", ctx.Err())
		case <-time.After(pause):
		}
		pause = min(2*pause, 2*time.Second)
	}
}

// isLockTimeout tells an error that a later try may not meet: lock_timeout, and a deadlock.
func isLockTimeout(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "55P03" || e.Code == "40P01")
}
