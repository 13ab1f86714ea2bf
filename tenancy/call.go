package tenancy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/ward-health/ward/queries"
)

// Call runs one of ward's functions under the session's identity, in a transaction of its own, and returns its answer
// once that has committed. what says what is done, for the error.
func Call[T any](ctx context.Context, s *Session, what string, fn func(*queries.Queries) (T, error)) (T, error) {
	return within(ctx, s.transact, what, fn)
}

// CallJSON is Call for a function that answers with a JSON object. An answer that is no T undoes the call.
func CallJSON[T any](ctx context.Context, s *Session, what string,
	fn func(*queries.Queries) (json.RawMessage, error)) (T, error) {
	return within(ctx, s.transact, what, decoded[T](fn))
}

// within runs a call in the transaction that run makes.
func within[T any](ctx context.Context, run transactor, what string, fn func(*queries.Queries) (T, error)) (T, error) {
	var answer, none T
	err := run(ctx, func(tx Tx) (err error) {
		if answer, err = fn(queries.New(tx)); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
	if err != nil {
		return none, err
	}
	return answer, nil
}

// decoded is a call whose answer is decoded within its transaction.
func decoded[T any](fn func(*queries.Queries) (json.RawMessage, error)) func(*queries.Queries) (T, error) {
	return func(q *queries.Queries) (answer T, err error) {
		raw, err := fn(q)
		if err != nil {
			return answer, err
		}
		if err := json.Unmarshal(raw, &answer); err != nil {
			return answer, fmt.Errorf("decode answer: %w", err)
		}
		return answer, nil
	}
}

// ReadList is a query that returns the rows of a list as JSON.
type ReadList func(*queries.Queries, context.Context) ([]json.RawMessage, error)

// List reads a list by write-ahead look: browse records the look under the id of an ask, and once that is committed,
// read reads what was recorded. T is the row.
func List[T any](ctx context.Context, s *Session, what string, browse func(*queries.Queries, uuid.UUID) error,
	read ReadList,
) ([]T, error) {
	var out []T
	err := s.Look(ctx, func(tx Tx, id uuid.UUID) error {
		if err := browse(queries.New(tx), id); err != nil {
			return fmt.Errorf("list %s: %w", what, err)
		}
		return nil
	}, func(tx Tx) error {
		rows, err := read(queries.New(tx), ctx)
		if err == nil {
			out, err = Decode[T](rows)
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", what, err)
		}
		return nil
	})
	return out, err
}

// Decode turns rows of JSON, as ward's functions return them, into values.
func Decode[T any, R ~[]byte](rows []R) ([]T, error) {
	out := make([]T, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal(row, &out[i]); err != nil {
			return nil, fmt.Errorf("decode row: %w", err)
		}
	}
	return out, nil
}

// transact is Tx without a disclosure.
func (s *Session) transact(ctx context.Context, fn func(Tx) error) error {
	return s.Tx(ctx, uuid.Nil, fn)
}

// do runs one change that answers nothing, in a transaction of its own.
func (s *Session) do(ctx context.Context, what string, fn func(*queries.Queries) error) error {
	return s.transact(ctx, func(tx Tx) error {
		if err := fn(queries.New(tx)); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}
