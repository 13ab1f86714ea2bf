package tenancy

import (
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Statement is one SQL statement of a Read, Find or Write: its text, its bind parameters, and what takes its result
// once everything has committed.
type Statement struct {
	sql  string
	args []any
	take func(pgx.Rows) error
	asks bool // a transaction of its own, before the others
}

// Do is a statement whose result is not needed, unless one of the methods says what takes it. PHI and everything else
// that varies travels in args, for $1 and so on.
func Do(sql string, args ...any) Statement { return Statement{sql: sql, args: args} }

// Scan puts the first row into dst, as pgx's Row does. No row is pgx.ErrNoRows.
func (s Statement) Scan(dst ...any) Statement {
	s.take = func(rows pgx.Rows) error {
		if !rows.Next() {
			return pgx.ErrNoRows
		}
		return rows.Scan(dst...)
	}
	return s
}

// Rows gives the rows to fn.
func (s Statement) Rows(fn func(pgx.Rows) error) Statement {
	s.take = fn
	return s
}

// Affected puts the number of rows that were changed into n.
func (s Statement) Affected(n *int64) Statement {
	s.take = func(rows pgx.Rows) error {
		*n = rows.CommandTag().RowsAffected()
		return nil
	}
	return s
}

// Collect is a statement whose rows all go into list: Collect(&names, pgx.RowTo[string], "select last_name from
// phi.patients"), or with pgx.RowToStructByName for several columns.
func Collect[T any](list *[]T, row pgx.RowToFunc[T], sql string, args ...any) Statement {
	return Do(sql, args...).Rows(func(rows pgx.Rows) error {
		var err error
		*list, err = pgx.CollectRows(rows, row)
		return err
	})
}

// kept is a result that was read completely before anybody may look at it.
type kept struct {
	result *pgconn.Result
	types  *pgtype.Map
	next   int // row that Next goes to
	closed bool
	err    error
}

func (k *kept) Close()                                       { k.closed = true }
func (k *kept) Err() error                                   { return k.err }
func (k *kept) CommandTag() pgconn.CommandTag                { return k.result.CommandTag }
func (k *kept) FieldDescriptions() []pgconn.FieldDescription { return k.result.FieldDescriptions }
func (k *kept) Conn() *pgx.Conn                              { return nil }
func (k *kept) TypeMap() *pgtype.Map                         { return k.types }
func (k *kept) RawValues() [][]byte                          { return k.result.Rows[k.next-1] }

func (k *kept) Next() bool {
	if k.closed || k.next >= len(k.result.Rows) {
		k.closed = true
		return false
	}
	k.next++
	return true
}

func (k *kept) Scan(dst ...any) error {
	if len(dst) == 1 {
		if whole, ok := dst[0].(pgx.RowScanner); ok {
			return k.fail(whole.ScanRow(k))
		}
	}
	return k.fail(pgx.ScanRow(k.types, k.FieldDescriptions(), k.RawValues(), dst...))
}

func (k *kept) Values() ([]any, error) {
	out := make([]any, len(k.FieldDescriptions()))
	for i, f := range k.FieldDescriptions() {
		raw := k.RawValues()[i]
		if raw == nil {
			continue
		}
		t, ok := k.types.TypeForOID(f.DataTypeOID)
		if !ok {
			if out[i] = any(string(raw)); f.Format == pgx.BinaryFormatCode {
				out[i] = raw
			}
			continue
		}
		v, err := t.Codec.DecodeValue(k.types, f.DataTypeOID, f.Format, raw)
		if err != nil {
			return nil, k.fail(fmt.Errorf("decode column %s: %w", f.Name, err))
		}
		out[i] = v
	}
	return out, nil
}

// fail ends the reading, as pgx's own rows do.
func (k *kept) fail(err error) error {
	if err != nil {
		k.err, k.closed = err, true
	}
	return err
}
