package review

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
)

// lookBack gives a second look its window: from what was sealed when the first of its days had settled, up to the
// rule's cursor. An event of these days was sealed later than it happened, hence within it. What was found the first
// time is known and changes nothing.
func (r *Rule) lookBack(ctx context.Context, q *queries.Queries, night time.Time, res *Result) error {
	done, err := q.LookedTwice(ctx, queries.LookedTwiceParams{ID: r.ID, Night: day(night)})
	if err != nil {
		return fmt.Errorf("look for a second look: %w", err)
	}
	if done {
		return ErrRan
	}
	from, err := q.SealedUpTo(ctx,
		queries.SealedUpToParams{At: night.Add(-time.Duration(r.Reconcile) - time.Duration(r.Settle))})
	if err != nil {
		return fmt.Errorf("find the days to look at again: %w", err)
	}
	res.FromBatch = min(from, res.ToBatch)
	return nil
}

func day(t time.Time) pgtype.Date { return pgtype.Date{Time: t, Valid: true} }

// Reconciled is what a night's second look found that the first had missed.
type Reconciled struct {
	Days int64 // (person, clinic, day) whose counts were wrong, and are mended
	Runs []Result
}

// Reconcile looks once a night at the last days again: recounts what people did, and runs each enabled rule that asks
// for it over them, filters first. A row of care that came after an access had settled explains it now; an event that a
// rule then missed is found. Rules that had their second look this night are left out.
func Reconcile(ctx context.Context, pool *pgxpool.Pool, rules []Rule, now time.Time) (Reconciled, error) {
	var out Reconciled
	night := now.UTC().Truncate(24 * time.Hour)
	list, err := Enabled(ctx, pool, rules)
	if err != nil {
		return out, err
	}
	longest := time.Duration(0)
	for _, r := range list {
		longest = max(longest, time.Duration(r.Reconcile))
	}
	if longest == 0 {
		return out, nil
	}
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
		out.Days, err = queries.New(tx).RecountActivity(ctx,
			queries.RecountActivityParams{First: day(night.Add(-longest)), Last: day(night)})
		return err
	}); err != nil {
		return out, fmt.Errorf("recount what people did: %w", err)
	}
	var errs []error
	for _, r := range list {
		if r.Reconcile == 0 {
			continue
		}
		res, err := Run(ctx, pool, r, now, RunRequest{Night: &night})
		switch {
		case errors.Is(err, ErrRan):
		case err != nil:
			errs = append(errs, err)
		default:
			out.Runs = append(out.Runs, res)
		}
	}
	return out, errors.Join(errs...)
}
