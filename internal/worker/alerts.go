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
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/ward-health/ward/internal/notify"
	"github.com/ward-health/ward/review"
)

// alertQueue holds deliveries, so that a receiver that is slow delays no rule.
const alertQueue = "alerts"

// alertArgs is a delivery: one alert to one target.
type alertArgs struct {
	Delivery uuid.UUID `json:"delivery"`
}

// Kind names the job.
func (alertArgs) Kind() string { return "alert" }

// alertAttempts is how often a delivery is tried: after 1, 16, 81, 256 seconds and so on, for about a day.
const alertAttempts = 14

// alertPatience is how long a delivery waits for a worker that has its target.
const alertPatience = 24 * time.Hour

// InsertOpts makes one job of a delivery, whoever enters it.
func (alertArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: alertQueue, MaxAttempts: alertAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

type alertWorker struct {
	river.WorkerDefaults[alertArgs]
	config *Config
}

// Timeout is longer than any target takes.
func (w *alertWorker) Timeout(*river.Job[alertArgs]) time.Duration { return time.Minute }

// Work sends what waits and records that in the transaction that ends the job. A worker that dies in between has sent
// it and recorded nothing: it is sent again, under the same id.
func (w *alertWorker) Work(ctx context.Context, job *river.Job[alertArgs]) error {
	c := w.config
	n, err := review.WaitingAlert(ctx, c.Pool, job.Args.Delivery)
	if err != nil || n == nil {
		return err
	}
	target := c.target(n.Target)
	if target == nil && c.Now().Sub(n.CreatedAt) < alertPatience { // another worker has it, or had
		return river.JobSnooze(c.TellEvery)
	}
	if err := c.send(ctx, target, n); err != nil {
		return c.undelivered(ctx, job, n, err)
	}
	// what was sent is recorded, also by a worker that is told to stop
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	return pgx.BeginFunc(ctx, c.Pool, func(tx pgx.Tx) error {
		if err := review.Delivered(ctx, tx, n.ID); err != nil {
			return err
		}
		if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
			return fmt.Errorf("end the job of delivery %s: %w", n.ID, err)
		}
		return nil
	})
}

func (c *Config) target(name string) notify.Target {
	for _, t := range c.Targets {
		if t.Describe().Name == name {
			return t
		}
	}
	return nil
}

func (c *Config) send(ctx context.Context, target notify.Target, n *review.Alert) error {
	if target == nil {
		return &notify.RefusedError{Why: "no worker has this target in its settings"}
	}
	n.Installation = c.Installation
	m, err := notify.Render(n)
	if err != nil {
		return err
	}
	return target.Send(ctx, m)
}

// undelivered records a failed attempt. One that was refused is the last: trying again would be refused again, and the
// job is dead at once.
func (c *Config) undelivered(ctx context.Context, job *river.Job[alertArgs], n *review.Alert, why error) error {
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return why // the worker was told to stop, and River gives the attempt back
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	var refused *notify.RefusedError
	if errors.As(why, &refused) {
		job.MaxAttempts = job.Attempt
	}
	finally := job.Attempt >= job.MaxAttempts
	c.Metrics.failed("alert")
	c.Log.WarnContext(ctx, "an alert was not delivered", slog.String("target", n.Target),
		slog.String("alert", n.AlertID.String()), slog.Bool("finally", finally), slog.Any("error", why))
	return errors.Join(fmt.Errorf("tell %s: %w", n.Target, why),
		review.Undelivered(ctx, c.Pool, n.ID, why.Error(), finally))
}

func (c *Config) nameTargets(ctx context.Context) error {
	if len(c.Targets) == 0 {
		return nil
	}
	about := make([]review.AlertTarget, len(c.Targets))
	for i, t := range c.Targets {
		about[i] = t.Describe()
	}
	return review.NameTargets(ctx, c.Pool, about)
}

// tell enters what is to be told and hands it to River, as long as ctx lasts. It leaves nothing to a leader, as
// schedule does not.
func (c *Config) tell(ctx context.Context, client *river.Client[pgx.Tx]) error {
	if len(c.Targets) == 0 {
		c.Log.WarnContext(ctx, "nobody is told of anything: set notify in ward.yaml")
		return nil
	}
	var minute time.Time
	for {
		if err := c.tellNow(ctx, client, due(&minute, time.Now(), time.Minute)); err != nil && ctx.Err() == nil {
			c.Metrics.failed("alert")
			c.Log.ErrorContext(ctx, "what is to be told was not entered", slog.Any("error", err))
		}
		if err := wait(ctx, c.TellEvery-rand.N(c.TellEvery/4+1)); err != nil {
			return err
		}
	}
}

// tellNow looks once. minutely: also for what comes with time.
func (c *Config) tellNow(ctx context.Context, client *river.Client[pgx.Tx], minutely bool) error {
	// also what has begun when the worker is asked to stop
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	var failed error
	if minutely {
		failed = c.tellMinutely(ctx)
	}
	ids, err := review.DueDeliveries(ctx, c.Pool)
	if err != nil || len(ids) == 0 {
		return errors.Join(failed, err)
	}
	jobs := make([]river.InsertManyParams, len(ids))
	for i, id := range ids {
		jobs[i] = river.InsertManyParams{Args: alertArgs{Delivery: id}}
	}
	if _, err := client.InsertMany(ctx, jobs); err != nil {
		failed = errors.Join(failed, fmt.Errorf("enter %d deliveries: %w", len(jobs), err))
	}
	return failed
}

func (c *Config) tellMinutely(ctx context.Context) error {
	if err := c.nameTargets(ctx); err != nil {
		return err
	}
	day, err := c.Digest.Day(c.Now())
	if err != nil {
		return err
	}
	return review.TellDue(ctx, c.Pool, day)
}
