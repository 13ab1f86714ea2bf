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
	"github.com/ward-health/ward/internal/notify"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
)

// Config is what a worker needs.
type Config struct {
	Pool    *pgxpool.Pool // ward_worker's
	Rules   []review.Rule
	Shipper *audit.Shipper // nil: this worker ships nothing, and publishes no heads
	Log     *slog.Logger
	Now     func() time.Time
	Metrics *Metrics // nil: none are kept

	Installation string          // as alerts name it
	Targets      []notify.Target // who is told; none: this worker tells nobody
	Digest       notify.DigestConfig

	SealEvery  time.Duration // default 1 s
	HeadsEvery time.Duration // default 1 min
	ShipEvery  time.Duration // default 5 min
	LocksEvery time.Duration // default 1 min: how often a change of retentions and legal holds is looked for
	RulesEvery time.Duration // default 10 s: how often the due rules are looked for
	TellEvery  time.Duration // default 5 s: how often deliveries that wait are looked for
}

func (c *Config) defaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.SealEvery, time.Second}, {&c.HeadsEvery, time.Minute}, {&c.ShipEvery, 5 * time.Minute},
		{&c.RulesEvery, 10 * time.Second}, {&c.LocksEvery, time.Minute}, {&c.TellEvery, 5 * time.Second}} {
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

// Run works until ctx ends: seals, classifies and ships as long as it leads, and runs the rules as River jobs. Any
// number of workers may run: whoever leads, each of them enters and runs what is due, and the ledger decides.
func Run(ctx context.Context, c Config) error {
	c.defaults()
	if err := review.Register(ctx, c.Pool, c.Rules); err != nil {
		return err
	}
	if err := c.nameTargets(ctx); err != nil { // before a rule finds something to tell them
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	// a job that runs when the worker is asked to stop ends first
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start job client: %w", err)
	}
	c.Log.InfoContext(ctx, "worker started", slog.Int("rules", len(c.Rules)))
	g, loops := errgroup.WithContext(ctx)
	g.Go(func() error { return c.lead(loops) })
	g.Go(func() error { return c.schedule(loops, client) })
	g.Go(func() error { return c.tell(loops, client) })
	err = g.Wait()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	stopErr := client.Stop(stop)
	if stopErr != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*recordTime)
		defer cancel()
		stopErr = client.StopAndCancel(last) // what it ran is in the ledger as failed
	}
	if stopErr != nil {
		err = errors.Join(err, fmt.Errorf("stop job client: %w", stopErr))
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// recordTime is how long a rule that is cancelled may take to say so in the ledger.
const recordTime = 10 * time.Second

// lead seals while this worker is the leader, and tries to become it while another is.
func (c *Config) lead(ctx context.Context) error {
	for {
		sealer, err := audit.Lead(ctx, c.Pool)
		if err == nil {
			sealer.Now = c.Now
			// a server that took over, or was restored, may lack what the archive has: sealed on top of that, two
			// histories would claim the same places
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
			c.Metrics.failed("seal")
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

// leading does the leader's work until sealing fails: the next leader starts from what is stored. Shipping goes on
// beside it, since a large part would hold the sealing up.
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
		back, err := audit.Tick(ctx, c.Pool)
		if err != nil {
			return err
		}
		if back > 0 {
			c.Log.WarnContext(ctx, "the database server's clock went back: every access token has ended",
				slog.Duration("by", back))
		}
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
	var heads, ship, locks, afresh time.Time
	rules, unseen := "", true // unseen: a change may have been made while nobody led
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
				c.Metrics.failed("ship")
				c.Log.ErrorContext(ctx, "shipping failed", slog.Any("error", err))
			}
		}
		if due(&locks, c.Now(), c.LocksEvery) {
			if due(&afresh, c.Now(), 24*time.Hour) {
				rules = "" // manifests and checkpoints of newer parts too are to be kept as long as the longest part
			}
			var err error
			if rules, err = c.extend(ctx, rules, unseen); err != nil {
				c.Metrics.failed("locks")
				c.Log.ErrorContext(ctx, "locks were not extended", slog.Any("error", err))
			}
			unseen = unseen && err != nil
		}
	}
}

// extend carries retentions and legal holds to the store where they have changed since the last time, which done names,
// and when a worker begins to lead. What fails is tried again.
func (c *Config) extend(ctx context.Context, done string, unseen bool) (string, error) {
	rules, held, err := c.Shipper.Rules(ctx)
	if err != nil || rules == done {
		return done, err
	}
	// Notes of chain heads are one for each minute, and are put with what is in force. So they are gone through after a
	// change only, and after one that was made while nobody led: there may have been one where a hold is in force.
	extended, err := c.Shipper.Extend(ctx, done != "" || unseen && held)
	if err != nil {
		return done, err
	}
	if extended.Locks+extended.Holds > 0 {
		c.Log.InfoContext(ctx, "locks extended", slog.Int("locks", extended.Locks), slog.Int("holds", extended.Holds))
	}
	return rules, nil
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
	shipping, err := queries.New(c.Pool).SealedUpTo(ctx, queries.SealedUpToParams{At: c.Now()})
	if err != nil {
		return fmt.Errorf("find what is sealed: %w", err)
	}
	err = Ship(ctx, c.Pool, c.Shipper, func(part string, rows int64) {
		c.Log.InfoContext(ctx, "shipped", slog.String("part", part), slog.Int64("rows", rows))
	})
	if err == nil {
		c.Metrics.shipped(shipping)
	}
	return err
}

// Ship ships once, unless another process is shipping: then it waits for that one first.
func Ship(ctx context.Context, pool *pgxpool.Pool, shipper *audit.Shipper,
	shipped func(part string, rows int64)) error {
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

// client is River's, with the jobs of this package.
func (c *Config) client() (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &ruleWorker{config: c})
	river.AddWorker(workers, &ruleRunWorker{config: c})
	river.AddWorker(workers, &nightWorker{config: c})
	river.AddWorker(workers, &shipWorker{config: c})
	river.AddWorker(workers, &pruneWorker{config: c})
	river.AddWorker(workers, &liveWorker{config: c})
	river.AddWorker(workers, &recoverWorker{config: c})
	river.AddWorker(workers, &alertWorker{config: c})
	queues := map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2}, requestQueue: {MaxWorkers: 1},
		archiveQueue: {MaxWorkers: 1}, alertQueue: {MaxWorkers: 4}}
	if c.Shipper != nil { // a part that a worker without a store took would be lost time
		river.AddWorker(workers, &partWorker{config: c, name: workerName()})
		queues[partsQueue] = river.QueueConfig{MaxWorkers: partsAtATime}
	}
	client, err := river.NewClient(riverpgxv5.New(c.Pool), &river.Config{
		Schema:  Schema,
		Logger:  c.Log,
		Workers: workers,
		Queues:  queues,
		// a job that was lost with its worker: longer than any rule may run
		RescueStuckJobsAfter: 15 * time.Minute,
		FetchPollInterval:    500 * time.Millisecond,
		PollOnly:             true, // a channel has no privileges: any login could notify "pause" or "cancel"
	})
	if err != nil {
		return nil, fmt.Errorf("make job client: %w", err)
	}
	return client, nil
}
