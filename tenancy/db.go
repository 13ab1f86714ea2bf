package tenancy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
)

// DB is a pool of connections as one of ward's login roles.
type DB struct {
	pool      *pgxpool.Pool
	keeps     atomic.Bool // connections keep statements prepared
	described descriptions
	types     sync.Pool // of *pgtype.Map, each for one goroutine at a time
}

// Open connects to url as ward_app, ward_reviewer or ward_worker (or a login that was granted one of them). What one
// user of a connection left in it is wiped before the next one has it. Connections keep statements prepared; where a
// pooler between hands transactions to different servers, say default_query_exec_mode=exec in the url, and nothing is
// prepared by name. A DB that was not told finds out by the first statement that is lost. Errors: *UnreachableError
// when the server does not answer.
func Open(ctx context.Context, url string) (*DB, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database URL: %w", err)
	}
	db := &DB{}
	if config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		db.keeps.Store(true)
		// a caller's statements are never kept: another caller could have had them parsed
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	prepare(config.ConnConfig)
	config.AfterRelease = wipe
	if db.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("make connection pool: %w", err)
	}
	if err := db.pool.Ping(ctx); err != nil {
		db.pool.Close()
		return nil, connectError(config.ConnConfig, err)
	}
	return db, nil
}

// Reach connects to url and hangs up: nothing is sent, so that nothing runs which somebody has put into the database.
// Errors: *UnreachableError when the server does not answer.
func Reach(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("parse database URL: %w", err)
	}
	prepare(config)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return connectError(config, err)
	}
	return conn.Close(ctx)
}

// prepare sets what every connection has. Text goes over it in UTF-8, whatever the database or the login is set to.
func prepare(config *pgx.ConnConfig) {
	config.RuntimeParams["application_name"] = "ward"
	config.RuntimeParams["client_encoding"] = "UTF8"
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
}

func connectError(config *pgx.ConnConfig, err error) error {
	where := fmt.Sprintf("%s port %d database %s as %s", config.Host, config.Port, config.Database, config.User)
	return &UnreachableError{Where: where, Err: err}
}

// lost tells a server that went away from one that said no. A context that ended is neither.
func (db *DB) lost(ctx context.Context, conn *pgx.Conn, err error) error {
	var connect *pgconn.ConnectError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("wait for the database: %w", ctx.Err())
	case errors.As(err, &connect), conn != nil && conn.IsClosed():
		return connectError(db.pool.Config().ConnConfig, err)
	}
	return err
}

// rollbackTimeout is how long a server may take to undo, or wipe, what has failed; then the connection is closed.
const rollbackTimeout = 5 * time.Second

// wipe leaves nothing of one user of a connection to the next. A connection that cannot be wiped, or in which something
// was prepared by SQL, is closed.
func wipe(conn *pgx.Conn) bool {
	pg := conn.PgConn()
	st := stateOf(pg)
	if pg.TxStatus() != 'I' {
		return false
	}
	if st.clean { // by the pipeline itself
		st.clean = false
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	results, err := pg.Exec(ctx, queries.Pipelined("wipe")).ReadAll()
	return err == nil && wiped(results[0], len(st.prepared))
}

// Close closes the pool and waits for connections in use.
func (db *DB) Close() { db.pool.Close() }

// Pool is the pool itself, for the worker and for tests. What it runs has no identity until tenancy.begin.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// transact runs fn in a READ COMMITTED transaction and commits, or rolls back when fn fails. Results read inside must
// not be shown before transact returns nil: their events are not durable until then.
func (db *DB) transact(ctx context.Context, fn func(Tx) error) error {
	return db.hold(ctx, func(run transactor) error { return run(ctx, fn) })
}

// transactor runs one transaction.
type transactor func(ctx context.Context, fn func(Tx) error) error

// hold gives fn a connection for several transactions of one identity, each as of transact. Nothing that asks for
// another connection may run inside: the pool may have one only.
func (db *DB) hold(ctx context.Context, fn func(transactor) error) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return db.lost(ctx, nil, err)
	}
	defer conn.Release()
	return fn(func(ctx context.Context, fn func(Tx) error) error { return db.on(ctx, conn, fn) })
}

// on is one transaction on a connection.
func (db *DB) on(ctx context.Context, conn *pgxpool.Conn, fn func(Tx) error) error {
	begun, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return db.lost(ctx, conn.Conn(), fmt.Errorf("begin transaction: %w", err))
	}
	tx := Explaining(begun)
	if err := fn(tx); err != nil {
		err = db.lost(ctx, conn.Conn(), err)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(ctx) // a connection that cannot is closed when it is given back
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return db.lost(ctx, conn.Conn(), fmt.Errorf("commit: %w", err))
	}
	return nil
}
