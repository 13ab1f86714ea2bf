package queries

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Unsealed are the events of a batch, read a piece at a time: one transaction may have written any number of them. The
// cursor lives as long as its transaction and sees nothing that is written in it meanwhile.
type Unsealed struct{ db DBTX }

// DeclareUnsealed opens the cursor on what [Queries.UnsealedEvents] selects.
func DeclareUnsealed(ctx context.Context, tx pgx.Tx, arg UnsealedEventsParams) (Unsealed, error) {
	return declareUnsealed(ctx, tx, unsealedEvents, arg.Xmax, arg.Xip)
}

// DeclareWithoutPlace opens the cursor on what [Queries.EventsWithoutPlace] selects.
func DeclareWithoutPlace(ctx context.Context, tx pgx.Tx) (Unsealed, error) {
	return declareUnsealed(ctx, tx, eventsWithoutPlace)
}

func declareUnsealed(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Unsealed, error) {
	// all of it will be fetched: without this the planner prefers what yields the first rows soon
	_, err := tx.Exec(ctx, "set local cursor_tuple_fraction = 1")
	if err == nil {
		_, err = tx.Exec(ctx, "declare unsealed no scroll cursor for "+sql, args...)
	}
	return Unsealed{tx}, err
}

// Fetch returns the next events, in the order of tenant and event; none when all were fetched.
func (u Unsealed) Fetch(ctx context.Context) ([]UnsealedEventsRow, error) {
	rows, err := u.db.Query(ctx, "fetch forward 4096 from unsealed")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[UnsealedEventsRow])
}
