package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/queries"
)

// recognise finds out whether the transactions that the sealing state names are those of this server. A dump that was
// restored brings its events' transaction numbers along, and they mean nothing in the new place: its snapshot would
// never see what is written there.
func (s *Sealer) recognise(ctx context.Context) error {
	q := queries.New(s.conn)
	is, err := q.StrangeSnapshot(ctx)
	if err != nil {
		return fmt.Errorf("recognise the server: %w", err)
	}
	switch {
	case is.Strange && is.Restored:
		s.moved = &is
	case is.Strange:
		if err := q.SetCluster(ctx); err != nil {
			return fmt.Errorf("note which server this is: %w", err)
		}
	}
	return nil
}

// unsealed is what the next batch consists of.
func (s *Sealer) unsealed(ctx context.Context, tx pgx.Tx, state queries.SealStateRow) (queries.Unsealed, error) {
	if s.moved == nil {
		return queries.DeclareUnsealed(ctx, tx, queries.UnsealedEventsParams{Xmax: state.Xmax, Xip: state.Xip})
	}
	return queries.DeclareWithoutPlace(ctx, tx)
}

// settle records, with the first batch on another server, that there was one.
func (s *Sealer) settle(ctx context.Context, q *queries.Queries, sealed int) error {
	if s.moved == nil {
		return nil
	}
	if err := q.SetCluster(ctx); err != nil {
		return fmt.Errorf("note which server this is: %w", err)
	}
	detail, err := json.Marshal(map[string]any{"why": "another server", "before": s.moved.Before, "now": s.moved.Now,
		"sealed": sealed, "epoch": s.epoch})
	if err != nil {
		return fmt.Errorf("encode recovery: %w", err)
	}
	if _, err := q.WriteWorker(ctx,
		queries.WriteWorkerParams{Action: "seal_recover", Detail: string(detail)}); err != nil {
		return fmt.Errorf("record the other server: %w", err)
	}
	return nil
}
