package review

import (
	"context"
	"fmt"

	"github.com/ward-health/ward/queries"
)

// count brings the counts of what people usually do up to a batch, in the transaction of the run that needs them: a run
// that fails leaves them as they were. Runs of several rules wait here for each other, and the second finds nothing
// left to count.
func count(ctx context.Context, q *queries.Queries, upto int64) error {
	for {
		at, err := q.BaselineBatch(ctx)
		if err != nil {
			return fmt.Errorf("find how far is counted: %w", err)
		}
		if at >= upto {
			return nil
		}
		to, err := q.SliceEnd(ctx, queries.SliceEndParams{After: at, Upto: upto, N: slice})
		if err != nil {
			return fmt.Errorf("find a slice of batches: %w", err)
		}
		if _, err := q.AdvanceActivity(ctx, to); err != nil {
			return fmt.Errorf("count what people do: %w", err)
		}
	}
}
