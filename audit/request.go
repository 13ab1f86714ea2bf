package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// The states of an answer.
const (
	AnswerDone    = "done"
	AnswerRefused = "refused" // the worker found a reason against it
	AnswerFailed  = "failed"  // it could not be done
)

// RequestPrune asks the worker to prune a month, under the session's own event, and returns that event's id. An
// administrator over all clinics may.
func RequestPrune(ctx context.Context, s *tenancy.Session, month, reason string,
	dryRun, unlockedStore bool) (int64, error) {
	arg := queries.RequestPruneParams{Month: month, Reason: reason, DryRun: dryRun, UnlockedStore: unlockedStore}
	return request(ctx, s, "pruning of "+month,
		func(q *queries.Queries) (int64, error) { return q.RequestPrune(ctx, arg) })
}

// RequestLive asks the worker to compare the database with the archive, under the session's own event, and returns that
// event's id.
func RequestLive(ctx context.Context, s *tenancy.Session) (int64, error) {
	return request(ctx, s, "comparison with the archive",
		func(q *queries.Queries) (int64, error) { return q.RequestLive(ctx) })
}

func request(ctx context.Context, s *tenancy.Session, what string,
	fn func(*queries.Queries) (int64, error)) (int64, error) {
	return tenancy.Call(ctx, s, "request "+what, fn)
}

// Answer is what the worker found out for the reviewer who asked.
type Answer struct {
	State  string          `json:"state"`
	Report json.RawMessage `json:"report"`
}

// failure is the report of an answer whose state is failed.
type failure struct {
	Error string `json:"error"`
}

// Into decodes the report. A request that failed is an error.
func (a *Answer) Into(report any) error {
	if a.State == AnswerFailed {
		var f failure
		if err := json.Unmarshal(a.Report, &f); err != nil {
			return fmt.Errorf("read the worker's answer: %w", err)
		}
		return fmt.Errorf("the worker could not do it: %s", f.Error)
	}
	if err := json.Unmarshal(a.Report, report); err != nil {
		return fmt.Errorf("read the worker's answer: %w", err)
	}
	return nil
}

// NoAnswerError says that no worker has answered in time.
type NoAnswerError struct {
	Event int64
	After time.Duration
}

// Error says what to look at.
func (e *NoAnswerError) Error() string {
	return fmt.Sprintf("the worker has not answered within %s: is ward worker running, with a store? The request is "+
		"event %d and stays with it", e.After, e.Event)
}

// answerEvery is how often the database is asked for an answer.
const answerEvery = 300 * time.Millisecond

// Await waits for the worker's answer to the session's own request.
func Await(ctx context.Context, s *tenancy.Session, event int64, timeout time.Duration) (*Answer, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(answerEvery)
	defer tick.Stop()
	for {
		a, err := tenancy.CallJSON[*Answer](ctx, s, fmt.Sprintf("ask after request %d", event),
			func(q *queries.Queries) (json.RawMessage, error) { return q.Answered(ctx, event) })
		if err != nil || a != nil {
			return a, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline.C:
			return nil, &NoAnswerError{event, timeout}
		case <-tick.C:
		}
	}
}

// SaveAnswer stores what the worker found out, as ward_worker. The first answer to a request stands.
func SaveAnswer(ctx context.Context, pool *pgxpool.Pool, event int64, state string, report any) error {
	raw, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encode answer to request %d: %w", event, err)
	}
	if err := queries.New(pool).SaveAnswer(ctx,
		queries.SaveAnswerParams{Request: event, State: state, Report: raw}); err != nil {
		return fmt.Errorf("store answer to request %d: %w", event, err)
	}
	return nil
}

// SaveFailure stores that a request could not be carried out.
func SaveFailure(ctx context.Context, pool *pgxpool.Pool, event int64, failed error) error {
	return SaveAnswer(ctx, pool, event, AnswerFailed, failure{failed.Error()})
}
