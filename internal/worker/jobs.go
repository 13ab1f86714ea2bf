package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
)

// requestQueue holds what reviewers ask for; review.request in the database fills it.
const requestQueue = "requests"

// rulesArgs is the scheduled job: every rule whose period is over. Args hold ids only, never PHI.
type rulesArgs struct{}

// Kind names the job.
func (rulesArgs) Kind() string { return "rules" }

type rulesWorker struct {
	river.WorkerDefaults[rulesArgs]
	config *Config
}

// Work runs the rules that are due. One that fails does not keep the others from running; its failure is in the ledger.
func (w *rulesWorker) Work(ctx context.Context, _ *river.Job[rulesArgs]) error {
	now := w.config.Now()
	due, err := review.Due(ctx, w.config.Pool, w.config.Rules, now)
	if err != nil {
		return err
	}
	return w.config.runAll(ctx, due, now, review.RunRequest{})
}

// Timeout is longer than any rule's own.
func (w *rulesWorker) Timeout(*river.Job[rulesArgs]) time.Duration { return 15 * time.Minute }

func (c *Config) runAll(ctx context.Context, rules []*review.Rule, now time.Time, by review.RunRequest) error {
	var errs []error
	for _, r := range rules {
		res, err := review.Run(ctx, c.Pool, r, now, by)
		if err != nil {
			c.Log.ErrorContext(ctx, "rule failed", slog.String("rule", r.ID), slog.Any("error", err))
			errs = append(errs, err)
			continue
		}
		if res.Created > 0 {
			c.Log.InfoContext(ctx, "rule found anomalies", slog.String("rule", r.ID), slog.Int("created", res.Created), slog.Int("merged", res.Merged))
		}
	}
	return errors.Join(errs...)
}

// ruleRunArgs is a reviewer's request to run a rule, or all of them, now.
type ruleRunArgs struct {
	Rule        string    `json:"rule"`
	RequestedBy uuid.UUID `json:"requested_by"`
	EventID     int64     `json:"event_id"`
}

// Kind names the job.
func (ruleRunArgs) Kind() string { return "rule_run" }

type ruleRunWorker struct {
	river.WorkerDefaults[ruleRunArgs]
	config *Config
}

// Work runs what was asked for under the event of the one who asked.
func (w *ruleRunWorker) Work(ctx context.Context, job *river.Job[ruleRunArgs]) error {
	rules, err := w.asked(ctx, job.Args.Rule)
	if err != nil {
		return err
	}
	return w.config.runAll(ctx, rules, w.config.Now(), review.RunRequest{By: &job.Args.RequestedBy, Event: &job.Args.EventID})
}

// asked is the rule of that id, or every rule that is enabled. One that is asked for by name and not enabled is run: into the ledger, with why not.
func (w *ruleRunWorker) asked(ctx context.Context, id string) ([]*review.Rule, error) {
	if id == "" {
		return review.Enabled(ctx, w.config.Pool, w.config.Rules)
	}
	for i := range w.config.Rules {
		if r := &w.config.Rules[i]; r.ID == id {
			return []*review.Rule{r}, nil
		}
	}
	return nil, river.JobCancel(fmt.Errorf("rule %s is not one of this worker's", id))
}

// Timeout is longer than any rule's own.
func (w *ruleRunWorker) Timeout(*river.Job[ruleRunArgs]) time.Duration { return 15 * time.Minute }

// shipArgs is a reviewer's request to ship now.
type shipArgs struct {
	RequestedBy uuid.UUID `json:"requested_by"`
	EventID     int64     `json:"event_id"`
}

// Kind names the job.
func (shipArgs) Kind() string { return "ship" }

type shipWorker struct {
	river.WorkerDefaults[shipArgs]
	config *Config
}

// Work ships what is sealed.
func (w *shipWorker) Work(ctx context.Context, _ *river.Job[shipArgs]) error {
	return w.config.ship(ctx)
}

// Timeout bounds one shipping.
func (w *shipWorker) Timeout(*river.Job[shipArgs]) time.Duration { return 15 * time.Minute }

// recoverArgs is an administrator's order to go on after the database lost sealed rows.
type recoverArgs struct {
	Reason      string    `json:"reason"`
	RequestedBy uuid.UUID `json:"requested_by"`
	EventID     int64     `json:"event_id"`
}

// Kind names the job.
func (recoverArgs) Kind() string { return "seal_recover" }

type recoverWorker struct {
	river.WorkerDefaults[recoverArgs]
	config *Config
}

// Work recovers. No worker seals meanwhile: those that have an archive do not lead, and this one does until it is through.
func (w *recoverWorker) Work(ctx context.Context, job *river.Job[recoverArgs]) error {
	c := w.config
	if c.Shipper == nil {
		return ErrNoStore
	}
	sealer, err := leadSoon(ctx, c.Pool)
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	defer sealer.Close(ctx)
	err = exclusively(ctx, c.Pool, func() error {
		done, err := c.Shipper.Recover(ctx, sealer, job.Args.EventID, job.Args.Reason)
		if err == nil {
			c.Log.WarnContext(ctx, "recovered from lost rows", slog.String("part", done.Manifest.Name()), slog.Int("restored", done.Restored), slog.Int64("order", job.Args.EventID))
		}
		return err
	})
	if errors.Is(err, audit.ErrNothingLost) {
		return river.JobCancel(err)
	}
	return err
}

// Timeout bounds reading what the archive has and the database lost.
func (w *recoverWorker) Timeout(*river.Job[recoverArgs]) time.Duration { return 15 * time.Minute }

// leadSoon takes the lead, waiting while a worker looks whether it may seal.
func leadSoon(ctx context.Context, pool *pgxpool.Pool) (*audit.Sealer, error) {
	soon, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		sealer, err := audit.Lead(ctx, pool)
		if err == nil || !errors.Is(err, audit.ErrNotLeader) {
			return sealer, err
		}
		if wait(soon, 100*time.Millisecond) != nil {
			return nil, err
		}
	}
}
