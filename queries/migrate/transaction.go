package migrate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io/fs"
	"maps"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// versionTable is where goose keeps which numbered files it has applied.
const versionTable = "public.ward_migration"

// applyTables lets goose apply the numbered files inside the transaction that is open on conn. goose begins and commits
// a transaction for each file; here those are savepoints, so that a file that fails takes the earlier ones with it.
func applyTables(ctx context.Context, conn *stdlib.Conn, r *release) error {
	db := sql.OpenDB(oneConn{conn})
	db.SetMaxOpenConns(1)
	defer db.Close() // closes nothing: the connection is the caller's
	provider, err := gooseOf(db, r)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("apply tables: %w", err)
	}
	return nil
}

func gooseOf(db *sql.DB, r *release) (*goose.Provider, error) {
	tables, err := fs.Sub(r.files, "tables")
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, tables, goose.WithTableName(versionTable))
	if err != nil {
		return nil, fmt.Errorf("read the numbered files: %w", err)
	}
	return provider, nil
}

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

// connect opens the one connection that everything runs on: goose speaks database/sql, the rest pgx.
func connect(ctx context.Context, url string) (*stdlib.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database URL: %w", err)
	}
	maps.Copy(config.RuntimeParams, session)
	c, err := stdlib.GetConnector(*config).Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to migrate: %w", err)
	}
	conn, ok := c.(*stdlib.Conn)
	if !ok {
		return nil, fmt.Errorf("connect to migrate: the driver returned a %T", c)
	}
	return conn, nil
}

// hangUp ends the connection. Whatever was not committed is rolled back by the server.
func hangUp(conn *stdlib.Conn) { _ = conn.Close() }

// oneConn hands database/sql a connection that is open already, with a transaction on it.
type oneConn struct{ conn *stdlib.Conn }

func (c oneConn) Connect(context.Context) (driver.Conn, error) { return nested{c.conn}, nil }
func (c oneConn) Driver() driver.Driver                        { return stdlib.GetDefaultDriver() }

// nested is a connection whose transactions are savepoints of the one that is open.
type nested struct{ *stdlib.Conn }

// Close leaves the connection to its owner.
func (nested) Close() error { return nil }

// ResetSession does not mind the open transaction.
func (nested) ResetSession(context.Context) error { return nil }

// BeginTx sets a savepoint.
func (n nested) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	_, err := n.Conn.Conn().Exec(ctx, "savepoint ward_file")
	return savepoint{n.Conn.Conn()}, err
}

type savepoint struct{ conn *pgx.Conn }

func (s savepoint) Commit() error {
	_, err := s.conn.Exec(context.Background(), "release savepoint ward_file")
	return err
}

func (s savepoint) Rollback() error {
	_, err := s.conn.Exec(context.Background(), "rollback to savepoint ward_file; release savepoint ward_file")
	return err
}
