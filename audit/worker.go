package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
)

// Classify looks at what was sealed since the last time and writes a denied event for every asked id that was another
// clinic's or nobody's. It returns how many.
func Classify(ctx context.Context, pool *pgxpool.Pool) (int, error) {
	n, err := queries.New(pool).Classify(ctx)
	if err != nil {
		return 0, fmt.Errorf("classify asked ids: %w", err)
	}
	return int(n), nil
}

// Tick notes the time of the server's clock and, where that has gone back by more than 5 s since the last call, moves
// every end by it back as much, ends the access tokens and leaves a revoke event. It returns by how much the clock went
// back, as a rule 0.
func Tick(ctx context.Context, pool *pgxpool.Pool) (time.Duration, error) {
	seconds, err := queries.New(pool).Tick(ctx)
	if err != nil {
		return 0, fmt.Errorf("note the server's time: %w", err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// Tidy makes the coming months' partitions and forgets asks that have run out.
func Tidy(ctx context.Context, pool *pgxpool.Pool) error {
	q := queries.New(pool)
	if _, err := q.EnsureMonths(ctx); err != nil {
		return fmt.Errorf("make partitions of coming months: %w", err)
	}
	if _, err := q.ForgetAsks(ctx); err != nil {
		return fmt.Errorf("forget asks that ran out: %w", err)
	}
	return nil
}

// SealAll leads, seals everything that is committed, classifies, and seals the denied events too.
func SealAll(ctx context.Context, pool *pgxpool.Pool) error {
	s, err := Lead(ctx, pool)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	if _, err := s.Seal(ctx); err != nil {
		return err
	}
	n, err := Classify(ctx, pool)
	if err != nil || n == 0 {
		return err
	}
	_, err = s.Seal(ctx)
	return err
}
