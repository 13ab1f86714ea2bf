package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/ward-health/ward/audit"
)

// archiveQueue holds requests that read the archive, which may take hours: rules that reviewers ask for are not to wait
// behind them.
const archiveQueue = "archive"

// pruneArgs is an administrator's request to prune a month.
type pruneArgs struct {
	Month         string `json:"month"`
	DryRun        bool   `json:"dry_run"`
	UnlockedStore bool   `json:"unlocked_store"`
	EventID       int64  `json:"event_id"`
}

// Kind names the job.
func (pruneArgs) Kind() string { return "prune" }

type pruneWorker struct {
	river.WorkerDefaults[pruneArgs]
	config *Config
}

// Work reconciles the month with the archive and drops it. Interrupted at any point, it leaves the month whole or
// pruned, and may be repeated.
func (w *pruneWorker) Work(ctx context.Context, job *river.Job[pruneArgs]) error {
	return w.config.answer(ctx, job.Args.EventID, job.Attempt >= job.MaxAttempts,
		func(r *audit.Reconciler) (string, any, error) {
			done, err := r.Prune(ctx, audit.PruneRequest{Month: job.Args.Month, Event: job.Args.EventID,
				DryRun: job.Args.DryRun, UnlockedStore: job.Args.UnlockedStore})
			state := audit.AnswerDone
			if len(done.Refused) > 0 {
				state = audit.AnswerRefused
			}
			if err == nil {
				w.config.Log.InfoContext(ctx, "prune", slog.String("month", done.Month), slog.String("state", state),
					slog.Bool("dry_run", done.DryRun), slog.Int64("rows", done.Rows))
			}
			return state, done, err
		})
}

// Timeout is none: a month may be large.
func (w *pruneWorker) Timeout(*river.Job[pruneArgs]) time.Duration { return -1 }

// liveArgs is a reviewer's request to compare the database with the archive.
type liveArgs struct {
	EventID int64 `json:"event_id"`
}

// Kind names the job.
func (liveArgs) Kind() string { return "verify_live" }

type liveWorker struct {
	river.WorkerDefaults[liveArgs]
	config *Config
}

// Work compares and stores the report for the one who asked.
func (w *liveWorker) Work(ctx context.Context, job *river.Job[liveArgs]) error {
	return w.config.answer(ctx, job.Args.EventID, job.Attempt >= job.MaxAttempts,
		func(r *audit.Reconciler) (string, any, error) {
			report, err := r.Live(ctx)
			return audit.AnswerDone, report, err
		})
}

// Timeout is none: the archive may be large.
func (w *liveWorker) Timeout(*river.Job[liveArgs]) time.Duration { return -1 }

// answer does what was asked and stores the answer. What fails is tried again; the last failure is the answer.
func (c *Config) answer(ctx context.Context, event int64, last bool,
	do func(*audit.Reconciler) (string, any, error)) error {
	r, err := c.reconciler()
	var state string
	var report any
	if err == nil {
		state, report, err = do(r)
	}
	if err == nil {
		return audit.SaveAnswer(ctx, c.Pool, event, state, report)
	}
	if ctx.Err() == nil && (last || errors.Is(err, ErrNoStore)) {
		return errors.Join(err, audit.SaveFailure(ctx, c.Pool, event, err))
	}
	return err
}

func (c *Config) reconciler() (*audit.Reconciler, error) {
	if c.Shipper == nil {
		return nil, ErrNoStore
	}
	return c.Shipper.Reconciler()
}
