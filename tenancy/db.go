// Package tenancy is what application code uses: an identity proven to the database, PHI read only after a committed disclosure, and the
// directory of tenants, users and memberships.
//
// A DB is a pool; a Session is somebody signed in; a Tx is one transaction under that identity. PHI is read in two transactions, ask then look:
//
//	ids := []uuid.UUID{id}
//	err := session.Read(ctx, tenancy.Ask{Table: "public.patients", IDs: ids, Purpose: "treatment"}, func(tx tenancy.Tx) error {
//		return tx.QueryRow(ctx, "select last_name from phi.patients where id = $1", id).Scan(&name)
//	})
package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Tx is a transaction under a proven identity, or the worker's.
type Tx = pgx.Tx

// DB is a pool of connections as one of ward's login roles.
type DB struct {
	pool *pgxpool.Pool
}

// Open connects to url as ward_app, ward_reviewer or ward_worker (or a login that was granted one of them). A connection that goes back to the
// pool is wiped with DISCARD ALL, because whoever held it last may have left prepared statements, cursors or settings in it; statements are
// therefore described, not prepared by name. Errors: *UnreachableError when the server does not answer.
func Open(ctx context.Context, url string) (*DB, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	config.ConnConfig.RuntimeParams["application_name"] = "ward"
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	config.AfterRelease = wipe
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("make connection pool: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, connectError(config.ConnConfig, err)
	}
	return &DB{pool: pool}, nil
}

func connectError(config *pgx.ConnConfig, err error) error {
	where := fmt.Sprintf("%s port %d database %s as %s", config.Host, config.Port, config.Database, config.User)
	return &UnreachableError{Where: where, Err: err}
}

// wipe leaves nothing of one user of a connection to the next. A connection that cannot be wiped is closed.
func wipe(conn *pgx.Conn) bool {
	if conn.PgConn().TxStatus() != 'I' {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := conn.Exec(ctx, "discard all", pgx.QueryExecModeSimpleProtocol)
	return err == nil
}

// Close closes the pool and waits for connections in use.
func (db *DB) Close() { db.pool.Close() }

// Pool is the pool itself, for the worker and for tests. What it runs has no identity until tenancy.begin.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// transact runs fn in a READ COMMITTED transaction and commits, or rolls back when fn fails. Results read inside must not be shown before transact
// returns nil: their events are not durable until then.
func (db *DB) transact(ctx context.Context, fn func(Tx) error) error {
	tx, err := db.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) {
			return connectError(db.pool.Config().ConnConfig, err)
		}
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(ctx) // after a commit this does nothing
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", explain(err))
	}
	return nil
}
