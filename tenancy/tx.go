package tenancy

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Tx is a transaction under a proven identity. Its errors are explained: what the database refused is a *DeniedError.
type Tx = pgx.Tx

// Explaining is a transaction whose errors are explained, as those of a Session's are. It is for packages that begin
// one of their own.
func Explaining(tx pgx.Tx) Tx { return explainingTx{tx} }

// explainingTx explains each error where the driver returns it, so that whoever wraps it keeps their own words.
type explainingTx struct{ pgx.Tx }

func (t explainingTx) Begin(ctx context.Context) (pgx.Tx, error) {
	nested, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, explain(err)
	}
	return explainingTx{nested}, nil
}

func (t explainingTx) Commit(ctx context.Context) error   { return explain(t.Tx.Commit(ctx)) }
func (t explainingTx) Rollback(ctx context.Context) error { return explain(t.Tx.Rollback(ctx)) }

func (t explainingTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := t.Tx.Exec(ctx, sql, args...)
	return tag, explain(err)
}

func (t explainingTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := t.Tx.Query(ctx, sql, args...)
	return explainingRows{rows}, explain(err)
}

func (t explainingTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return explainingRow{t.Tx.QueryRow(ctx, sql, args...)}
}

func (t explainingTx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	description, err := t.Tx.Prepare(ctx, name, sql)
	return description, explain(err)
}

func (t explainingTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string,
	rows pgx.CopyFromSource) (int64, error) {
	n, err := t.Tx.CopyFrom(ctx, table, columns, rows)
	return n, explain(err)
}

func (t explainingTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return explainingBatch{t.Tx.SendBatch(ctx, b)}
}

type explainingRow struct{ pgx.Row }

func (r explainingRow) Scan(dest ...any) error { return explain(r.Row.Scan(dest...)) }

type explainingRows struct{ pgx.Rows }

func (r explainingRows) Err() error             { return explain(r.Rows.Err()) }
func (r explainingRows) Scan(dest ...any) error { return explain(r.Rows.Scan(dest...)) }

func (r explainingRows) Values() ([]any, error) {
	values, err := r.Rows.Values()
	return values, explain(err)
}

type explainingBatch struct{ pgx.BatchResults }

func (b explainingBatch) Exec() (pgconn.CommandTag, error) {
	tag, err := b.BatchResults.Exec()
	return tag, explain(err)
}

func (b explainingBatch) Query() (pgx.Rows, error) {
	rows, err := b.BatchResults.Query()
	return explainingRows{rows}, explain(err)
}

func (b explainingBatch) QueryRow() pgx.Row { return explainingRow{b.BatchResults.QueryRow()} }
func (b explainingBatch) Close() error      { return explain(b.BatchResults.Close()) }
