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

// Settings are those of a connection that migrates, in place of what the database or the login has as its own. Names
// are looked up in pg_catalog alone, so that nothing runs which somebody has put into another schema; no timeout but
// lock_timeout ends a statement; and in what words the catalog describes an object depends on the last ones.
func Settings() map[string]string {
	return map[string]string{
		"application_name": "ward migrate",
		"search_path":      "pg_catalog, pg_temp",
		"client_encoding":  "UTF8",

		"default_transaction_isolation":       "read committed",
		"default_transaction_read_only":       "off",
		"default_transaction_deferrable":      "off",
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"idle_session_timeout":                "0",

		"standard_conforming_strings": "on",
		"backslash_quote":             "safe_encoding",
		"array_nulls":                 "on",
		"transform_null_equals":       "off",
		"row_security":                "on",
		"check_function_bodies":       "on",
		"default_tablespace":          "",
		"default_table_access_method": "heap",
		"plpgsql.extra_errors":        "none",
		"plpgsql.extra_warnings":      "none",

		"quote_all_identifiers": "off",
		"datestyle":             "ISO, MDY",
		"intervalstyle":         "postgres",
		"timezone":              "UTC",
		"bytea_output":          "hex",
		"extra_float_digits":    "1",
	}
}

// connect opens the one connection that everything runs on.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database URL: %w", err)
	}
	maps.Copy(config.RuntimeParams, Settings())
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
