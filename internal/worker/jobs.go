package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
)

// requestQueue holds what reviewers ask for; review.request in the database fills it.
const requestQueue = "requests"

// ruleArgs is a rule's turn: one period of one rule. Every worker enters the turns that are due, and the same one is
// one job. Args hold ids and times only, never PHI.
type ruleArgs struct {
	Rule   string    `json:"rule"`
	Period time.Time `json:"period"`
}

// Kind names the job.
func (ruleArgs) Kind() string { return "rule" }

// attempts is how often a rule's turn is tried, over some six minutes; then the job is dead, and the next turn covers
// its period too.
const attempts = 5

// InsertOpts makes one job of a turn, also where it is dead.
func (ruleArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: attempts, UniqueOpts: river.UniqueOpts{ByArgs: true,
		ByState: append(rivertype.UniqueOptsByStateDefault(), rivertype.JobStateDiscarded)}}
}

type ruleWorker struct {
	river.WorkerDefaults[ruleArgs]
	config *Config
}

// Work runs the rule for its period, unless the ledger says that it has run.
func (w *ruleWorker) Work(ctx context.Context, job *river.Job[ruleArgs]) error {
	r := w.config.rule(job.Args.Rule)
	if r == nil { // a worker of another version entered it
		return river.JobSnooze(w.config.RulesEvery)
	}
	// A turn that waited takes the later ones with it, or a rule that is slower than its period would never catch up.
	period := job.Args.Period
	if newest := r.PeriodAt(w.config.Now()); newest.After(period) {
		period = newest
	}
	return w.config.turn(ctx, review.Turn{Rule: r, Period: period})
}

// Timeout is a little more than the rule's own, so that the run records what became of it.
func (w *ruleWorker) Timeout(job *river.Job[ruleArgs]) time.Duration {
	if r := w.config.rule(job.Args.Rule); r != nil {
		return r.TimeLimit() + time.Minute
	}
	return time.Minute
}

func (c *Config) rule(id string) *review.Rule {
	for i := range c.Rules {
		if c.Rules[i].ID == id {
			return &c.Rules[i]
		}
	}
	return nil
}

func (c *Config) turn(ctx context.Context, t review.Turn) error {
	ctx, cancel := context.WithTimeout(ctx, t.TimeLimit())
	defer cancel()
	err := c.runAll(ctx, []*review.Rule{t.Rule}, c.Now(), review.RunRequest{Period: &t.Period})
	if errors.Is(err, review.ErrRan) {
		return nil
	}
	return err
}

// schedule enters the turns that are due, as long as ctx lasts. It leaves nothing to a leader: River's keeps its
// schedule in memory, and one that is stuck would keep every rule from running. A rule that watches the review runs
// here, at once, for the same reason.
func (c *Config) schedule(ctx context.Context, client *river.Client[pgx.Tx]) error {
	for {
		if err := c.tick(ctx, client); err != nil && ctx.Err() == nil {
			c.Metrics.failed("schedule")
			c.Log.ErrorContext(ctx, "the rules that are due were not entered", slog.Any("error", err))
		}
		// workers that were started together look at different moments
		if err := wait(ctx, c.RulesEvery-rand.N(c.RulesEvery/4+1)); err != nil {
			return err
		}
	}
}

// tick enters what is due now.
func (c *Config) tick(ctx context.Context, client *river.Client[pgx.Tx]) error {
	// also what has begun when the worker is asked to stop
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := review.Loaded(ctx, c.Pool, c.Rules); err != nil {
		return err
	}
	due, err := review.Due(ctx, c.Pool, c.Rules, c.Now())
	if err != nil {
		return err
	}
	var jobs []river.InsertManyParams
	var errs []error
	if n, err := review.Tidy(ctx, c.Pool); err != nil {
		errs = append(errs, err)
	} else if n > 0 {
		c.Log.InfoContext(ctx, "anomalies went back to new", slog.Int("anomalies", n))
	}
	for _, t := range due {
		if t.Watches() {
			errs = append(errs, c.turn(ctx, t))
			continue
		}
		jobs = append(jobs, river.InsertManyParams{Args: ruleArgs{Rule: t.ID, Period: t.Period}})
	}
	if now := c.Now().UTC(); now.Hour() >= nightHour {
		jobs = append(jobs, river.InsertManyParams{Args: nightArgs{Night: now.Truncate(24 * time.Hour)}})
	}
	if len(jobs) > 0 {
		if _, err := client.InsertMany(ctx, jobs); err != nil {
			errs = append(errs, fmt.Errorf("enter %d turns: %w", len(jobs), err))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) runAll(ctx context.Context, rules []*review.Rule, now time.Time, by review.RunRequest) error {
	var errs []error
	for _, r := range rules {
		res, err := review.Run(ctx, c.Pool, r, now, by)
		if errors.Is(err, review.ErrRan) {
			return err
		}
		c.Metrics.ran(r.ID, err)
		if err != nil {
			c.Log.ErrorContext(ctx, "rule failed", slog.String("rule", r.ID), slog.Any("error", err))
			errs = append(errs, err)
			continue
		}
		if res.Created > 0 {
			c.Log.InfoContext(ctx, "rule found anomalies", slog.String("rule", r.ID), slog.Int("created", res.Created),
				slog.Int("merged", res.Merged))
		}
	}
	return errors.Join(errs...)
}

// nightHour is from when a night's second look may begin, in UTC.
const nightHour = 3

// nightArgs is the second look of one night. Every worker enters it, and it is one job.
type nightArgs struct {
	Night time.Time `json:"night"`
}

// Kind names the job.
func (nightArgs) Kind() string { return "second_look" }

// InsertOpts makes one job of a night, also where it is done or dead.
func (nightArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: attempts, UniqueOpts: river.UniqueOpts{ByArgs: true,
		ByState: append(rivertype.UniqueOptsByStateDefault(), rivertype.JobStateDiscarded)}}
}

type nightWorker struct {
	river.WorkerDefaults[nightArgs]
	config *Config
}

// Work looks at the last days again. The ledger says which rules have done so this night.
func (w *nightWorker) Work(ctx context.Context, _ *river.Job[nightArgs]) error {
	c := w.config
	out, err := review.Reconcile(ctx, c.Pool, c.Rules, c.Now())
	missed := 0
	for _, r := range out.Runs {
		missed += r.Created + r.Merged
	}
	if out.Days > 0 || missed > 0 {
		c.Log.WarnContext(ctx, "the second look found more", slog.Int64("days_recounted", out.Days),
			slog.Int("missed", missed))
	}
	return err
}

// Timeout bounds a night's second look.
func (w *nightWorker) Timeout(*river.Job[nightArgs]) time.Duration { return 14 * time.Minute }

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
	return w.config.runAll(ctx, rules, w.config.Now(),
		review.RunRequest{By: &job.Args.RequestedBy, Event: &job.Args.EventID})
}

// asked is the rule of that id, or every rule that is enabled. One that is asked for by name and not enabled is run:
// into the ledger, with why not.
func (w *ruleRunWorker) asked(ctx context.Context, id string) ([]*review.Rule, error) {
	if id == "" {
		return review.Enabled(ctx, w.config.Pool, w.config.Rules)
	}
	if r := w.config.rule(id); r != nil {
		return []*review.Rule{r}, nil
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

// Work recovers. No worker seals meanwhile: those that have an archive do not lead, and this one does until it is
// through.
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
			c.Log.WarnContext(ctx, "recovered from lost rows", slog.String("part", done.Manifest.Name()),
				slog.Int("restored", done.Restored), slog.Int64("order", job.Args.EventID))
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
