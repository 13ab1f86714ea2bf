package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// session are the settings of the connection. In what words the catalog describes an object depends on all but the
// first, and a database or a login may have others of its own.
var session = map[string]string{
	"application_name":      "ward migrate",
	"search_path":           "pg_catalog",
	"quote_all_identifiers": "off",
	"datestyle":             "ISO, MDY",
	"intervalstyle":         "postgres",
	"timezone":              "UTC",
	"bytea_output":          "hex",
	"extra_float_digits":    "1",
}

// connect opens the one connection that everything runs on.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database URL: %w", err)
	}
	maps.Copy(config.RuntimeParams, session)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to migrate: %w", err)
	}
	return conn, nil
}

// hangUp ends the connection. The server rolls back whatever was not committed.
func hangUp(ctx context.Context, conn *pgx.Conn) { _ = conn.Close(context.WithoutCancel(ctx)) }

// lock waits until no other migration of this database runs.
func lock(ctx context.Context, conn *pgx.Conn) (unlock func(), err error) {
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtext('ward migrate'))"); err != nil {
		return nil, fmt.Errorf("wait for another migration: %w", err)
	}
	return func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock(hashtext('ward migrate'))")
	}, nil
}

// inTx runs do in a transaction that waits LockTimeout for a lock. It runs do in
// another transaction where a lock was not to be had, until Options.Wait is over.
func (o Options) inTx(ctx context.Context, conn *pgx.Conn, do func(pgx.Tx) error) error {
	wait := o.Wait
	if wait == 0 {
		wait = time.Minute
	}
	deadline := time.Now().Add(wait)
	pause := 100 * time.Millisecond
	for {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, fmt.Sprintf("set local lock_timeout = %d", LockTimeout.Milliseconds()))
			if err != nil {
				return fmt.Errorf("bound the wait for locks: %w", err)
			}
			return do(tx)
		})
		if !isLockTimeout(err) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: another transaction held a lock for %s; end it (pg_stat_activity names it) and "+
				"migrate again", err, wait)
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
func isLockTimeout(err error) bool { return hasCode(err, "55P03") || hasCode(err, "40P01") }

func hasCode(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}
