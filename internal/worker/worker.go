package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"golang.org/x/sync/errgroup"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
)

// Config is what a worker needs.
type Config struct {
	Pool    *pgxpool.Pool // ward_worker's
	Rules   []review.Rule
	Shipper *audit.Shipper // nil: this worker ships nothing, and publishes no heads
	Log     *slog.Logger
	Now     func() time.Time

	SealEvery  time.Duration // default 1 s
	HeadsEvery time.Duration // default 1 min
	ShipEvery  time.Duration // default 5 min
	RulesEvery time.Duration // default 10 s: how often the due rules are looked for
}

func (c *Config) defaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.SealEvery, time.Second}, {&c.HeadsEvery, time.Minute}, {&c.ShipEvery, 5 * time.Minute}, {&c.RulesEvery, 10 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Run works until ctx ends: seals, classifies and ships as long as it leads, and runs the rules as River jobs. Any number of workers may run.
func Run(ctx context.Context, c Config) error {
	c.defaults()
	if err := review.Register(ctx, c.Pool, c.Rules); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return fmt.Errorf("start job client: %w", err)
	}
	c.Log.InfoContext(ctx, "worker started", slog.Int("rules", len(c.Rules)))
	g, loops := errgroup.WithContext(ctx)
	g.Go(func() error { return c.lead(loops) })
	err = g.Wait()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if stopErr := client.Stop(stop); stopErr != nil && !errors.Is(stopErr, context.Canceled) {
		err = errors.Join(err, fmt.Errorf("stop job client: %w", stopErr))
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// lead seals while this worker is the leader, and tries to become it while another is.
func (c *Config) lead(ctx context.Context) error {
	for {
		sealer, err := audit.Lead(ctx, c.Pool)
		if err == nil {
			sealer.Now = c.Now
			// a server that took over, or was restored, may lack what the archive has: sealed on top of that, two histories would claim the same places
			if c.Shipper != nil {
				err = c.Shipper.Check(ctx)
			}
			if err == nil {
				err = c.leading(ctx, sealer)
			}
			sealer.Close(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, audit.ErrNotLeader) {
			c.Log.WarnContext(ctx, "not sealing for now", slog.Any("error", err))
		}
		if err := wait(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// leading does the leader's work until sealing fails: the next leader starts from what is stored. Shipping goes on beside it, since a large part would
// hold the sealing up.
func (c *Config) leading(ctx context.Context, sealer *audit.Sealer) error {
	g, ctx := errgroup.WithContext(ctx)
	if c.Shipper != nil {
		g.Go(func() error { return c.archiving(ctx) })
	}
	g.Go(func() error { return c.sealing(ctx, sealer) })
	return g.Wait()
}

func (c *Config) sealing(ctx context.Context, sealer *audit.Sealer) error {
	var tidy time.Time
	for {
		begun := c.Now()
		sealed, err := sealer.Seal(ctx)
		if err != nil {
			return err
		}
		if sealed.Rows > 0 {
			if _, err := audit.Classify(ctx, c.Pool); err != nil {
				return err
			}
		}
		if due(&tidy, begun, time.Minute) {
			if err := audit.Tidy(ctx, c.Pool); err != nil {
				return err
			}
		}
		if err := wait(ctx, c.SealEvery); err != nil {
			return err
		}
	}
}

// archiving publishes heads and ships. What the database lost is for the next leader to find: this one gives up.
func (c *Config) archiving(ctx context.Context) error {
	var heads, ship time.Time
	for {
		if err := wait(ctx, c.SealEvery); err != nil { // the first batch may be there by then
			return err
		}
		var lost *audit.LostError
		if due(&heads, c.Now(), c.HeadsEvery) {
			if err := c.Shipper.PublishHeads(ctx); errors.As(err, &lost) {
				return err
			} else if err != nil && !errors.Is(err, audit.ErrNoHeads) {
				c.Log.ErrorContext(ctx, "chain heads were not published", slog.Any("error", err))
			}
		}
		if due(&ship, c.Now(), c.ShipEvery) {
			if err := c.ship(ctx); errors.As(err, &lost) {
				return err
			} else if err != nil {
				c.Log.ErrorContext(ctx, "shipping failed", slog.Any("error", err))
			}
		}
	}
}

// due says whether a period is over, and then begins the next.
func due(last *time.Time, now time.Time, every time.Duration) bool {
	if now.Sub(*last) < every {
		return false
	}
	*last = now
	return true
}

// shipLock keeps two workers from shipping at once ("ward ship" in ASCII, as a number).
const shipLock int64 = 0x77617264_73686970

// ErrNoStore says that this worker was given nowhere to ship to.
var ErrNoStore = errors.New("no archive store is configured for the worker")

func (c *Config) ship(ctx context.Context) error {
	if c.Shipper == nil {
		return ErrNoStore
	}
	return Ship(ctx, c.Pool, c.Shipper, func(part string, rows int64) {
		c.Log.InfoContext(ctx, "shipped", slog.String("part", part), slog.Int64("rows", rows))
	})
}

// Ship ships once, unless another process is shipping: then it waits for that one first.
func Ship(ctx context.Context, pool *pgxpool.Pool, shipper *audit.Shipper, shipped func(part string, rows int64)) error {
	return exclusively(ctx, pool, func() error {
		manifests, err := shipper.Ship(ctx)
		for _, m := range manifests {
			shipped(m.Name(), m.Rows)
		}
		return err
	})
}

// exclusively appends to the archive's log while nobody else does.
func exclusively(ctx context.Context, pool *pgxpool.Pool, f func() error) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", shipLock); err != nil {
			return fmt.Errorf("wait for other shippers: %w", err)
		}
		return f()
	})
}

// client is River's, with the jobs below and the schedule of the rules.
func (c *Config) client() (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &rulesWorker{config: c})
	river.AddWorker(workers, &ruleRunWorker{config: c})
	river.AddWorker(workers, &shipWorker{config: c})
	river.AddWorker(workers, &recoverWorker{config: c})
	client, err := river.NewClient(riverpgxv5.New(c.Pool), &river.Config{
		Schema:  Schema,
		Logger:  c.Log,
		Workers: workers,
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1}, requestQueue: {MaxWorkers: 1}},
		PeriodicJobs: []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(c.RulesEvery),
			func() (river.JobArgs, *river.InsertOpts) {
				return rulesArgs{}, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByPeriod: c.RulesEvery}, MaxAttempts: 1}
			}, &river.PeriodicJobOpts{RunOnStart: true})},
		FetchPollInterval: 500 * time.Millisecond,
	})
	if err != nil {
		return nil, fmt.Errorf("make job client: %w", err)
	}
	return client, nil
}
