//go:build long

package audit_test

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/tenancy"
)

// way connects one client, which then reads in its own manner.
type way func(ctx context.Context, dsn string, tokens tenancy.Tokens) (client, error)

// client asks for ids and looks: the disclosure id, and how many records it received, which counts also where an error
// followed.
type client struct {
	look  func(ctx context.Context, ids []uuid.UUID) (uuid.UUID, int, error)
	close func()
}

const readLastNames = "select last_name from phi.patients"

// ways of reading: statement by statement; in the simple protocol; switching synchronous commit off at the last moment;
// a pipeline that ends in COMMIT; one without BEGIN; the Go package.
var ways = []way{bare(pgx.QueryExecModeCacheDescribe, ""), bare(pgx.QueryExecModeSimpleProtocol, ""),
	bare(pgx.QueryExecModeCacheDescribe, "set local synchronous_commit = off"),
	piped(true), piped(false), packaged}

func bare(mode pgx.QueryExecMode, beforeCommit string) way {
	return func(ctx context.Context, dsn string, tokens tenancy.Tokens) (client, error) {
		conn, err := connectMode(ctx, dsn, mode)
		if err != nil {
			return client{}, err
		}
		token := tokens.Access
		if mode == pgx.QueryExecModeSimpleProtocol { // there are no bind parameters: the token comes from a setting
			if _, err := conn.Exec(ctx, "select set_config('x.token', $1, false)", pgx.QueryExecModeExec,
				token); err != nil {
				return client{}, err
			}
			token = ""
		}
		ask := func(ctx context.Context, ids []uuid.UUID) (uuid.UUID, error) {
			d := uuid.New()
			err := inTransaction(ctx, conn, token, uuid.Nil, func() error {
				if _, err := conn.Exec(ctx, "select audit.disclose($1, 'public.patients', $2)", d, ids); err != nil ||
					beforeCommit == "" {
					return err
				}
				_, err := conn.Exec(ctx, beforeCommit)
				return err
			})
			return d, err
		}
		return client{look: withRead(conn, token, ask), close: func() { conn.Close(ctx) }}, nil
	}
}

// piped asks in one pipeline, with BEGIN and COMMIT in it or without.
func piped(transaction bool) way {
	return func(ctx context.Context, dsn string, tokens tenancy.Tokens) (client, error) {
		conn, err := connectMode(ctx, dsn, pgx.QueryExecModeCacheDescribe)
		if err != nil {
			return client{}, err
		}
		ask := func(ctx context.Context, ids []uuid.UUID) (uuid.UUID, error) {
			d, batch := uuid.New(), &pgx.Batch{}
			if transaction {
				batch.Queue("begin")
			}
			batch.Queue("select tenancy.begin($1)", tokens.Access)
			batch.Queue("select audit.disclose($1, 'public.patients', $2)", d, ids)
			if transaction {
				batch.Queue("commit")
			}
			return d, conn.SendBatch(ctx, batch).Close()
		}
		return client{look: withRead(conn, tokens.Access, ask), close: func() { conn.Close(ctx) }}, nil
	}
}

// withRead looks after an ask, on the same connection.
func withRead(conn *pgx.Conn, token string, ask func(context.Context,
	[]uuid.UUID) (uuid.UUID, error)) func(context.Context, []uuid.UUID) (uuid.UUID, int, error) {
	return func(ctx context.Context, ids []uuid.UUID) (uuid.UUID, int, error) {
		d, err := ask(ctx, ids)
		if err != nil {
			return d, 0, err
		}
		got := 0
		err = inTransaction(ctx, conn, token, d, func() error {
			rows, err := conn.Query(ctx, readLastNames)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				got++
			}
			return rows.Err()
		})
		return d, got, err
	}
}

// packaged reads through the Go package.
func packaged(ctx context.Context, dsn string, tokens tenancy.Tokens) (client, error) {
	db, err := tenancy.Open(ctx, dsn)
	if err != nil {
		return client{}, err
	}
	session := tenancy.NewSession(db, tokens, time.Now, nil)
	look := func(ctx context.Context, ids []uuid.UUID) (d uuid.UUID, got int, err error) {
		d = uuid.New()
		var names []string
		err = session.Read(ctx, tenancy.Ask{ID: d, Table: "public.patients", IDs: ids, Purpose: "treatment"},
			tenancy.Collect(&names, pgx.RowTo[string], readLastNames))
		return d, len(names), err
	}
	return client{look: look, close: db.Close}, nil
}

func connectMode(ctx context.Context, dsn string, mode pgx.QueryExecMode) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = mode
	return pgx.ConnectConfig(ctx, config)
}

// inTransaction runs fn under an identity and commits. An empty token is in the setting x.token.
func inTransaction(ctx context.Context, conn *pgx.Conn, token string, disclosure uuid.UUID, fn func() error) error {
	if _, err := conn.Exec(ctx, "begin"); err != nil {
		return err
	}
	var d *uuid.UUID
	if disclosure != uuid.Nil {
		d = &disclosure
	}
	begin, args := "select coalesce(tenancy.begin($1, $2), '')", []any{token, d}
	if token == "" {
		begin, args = "select coalesce(tenancy.begin(current_setting('x.token'), $1), '')", []any{d}
	}
	var why string
	if err := conn.QueryRow(ctx, begin, args...).Scan(&why); err != nil {
		return err
	}
	if why != "" {
		return fmt.Errorf("begin refused: %s", why)
	}
	if err := fn(); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "commit")
	return err
}
