package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/tenancy"
)

// A worker says every beatEvery that it is still at a part; one that has said nothing for silentFor is taken for dead.
const (
	beatEvery = 3 * time.Second
	silentFor = 20 * time.Second
)

// VerifyByWorkers is [Verify] with the rows recomputed by the installation's workers, a job for each part. The log, its
// signatures and what the parts say of each other are checked in this process, with keys that reached it another way;
// the report says which workers' word it takes for the rows. timeout is how long no worker may be at any part.
func VerifyByWorkers(ctx context.Context, s *tenancy.Session, store archive.Store, opts archive.VerifyOptions,
	timeout time.Duration, onStart func(*archive.Verification)) (*archive.Report, error) {
	return verify(ctx, s, store, opts, func(id uuid.UUID) (*archive.Report, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		d := dispatcher{session: s, verification: id, timeout: timeout, waiting: map[string]chan partAnswer{}}
		opts.Elsewhere = d.check
		run := archive.NewVerification(store, opts)
		if onStart != nil {
			onStart(run)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := d.collect(ctx, run.Busy); err != nil {
				cancel(err)
			}
		}()
		report, err := run.Run(ctx)
		cause := context.Cause(ctx)
		cancel(nil)
		<-done
		if err != nil && cause != nil {
			return nil, fmt.Errorf("verify %s by workers: %w", store, cause)
		}
		return report, err
	})
}

// partAnswer is how audit.part_check keeps an outcome.
type partAnswer struct {
	Outcome *archive.PartOutcome `json:"outcome,omitempty"`
	Error   string               `json:"error,omitempty"`
}

// dispatcher hands parts out and collects what came of them.
type dispatcher struct {
	session      *tenancy.Session
	verification uuid.UUID
	timeout      time.Duration

	mu      sync.Mutex
	waiting map[string]chan partAnswer // by path
}

// check hands one part out and waits for it.
func (d *dispatcher) check(ctx context.Context, task archive.PartTask) (*archive.PartOutcome, error) {
	m, err := archive.ParseManifest([]byte(task.Manifest))
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(task)
	if err != nil {
		return nil, fmt.Errorf("encode task of %s: %w", m.Path, err)
	}
	answer := make(chan partAnswer, 1)
	err = d.session.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
		return queries.New(tx).CheckPart(ctx,
			queries.CheckPartParams{Verification: d.verification, Path: m.Path, Task: raw})
	})
	if err != nil {
		return nil, fmt.Errorf("hand %s to the workers: %w", m.Path, err)
	}
	d.mu.Lock()
	d.waiting[m.Path] = answer
	d.mu.Unlock()
	select {
	case a := <-answer:
		if a.Outcome == nil {
			return nil, errors.New("no worker could check it: " + cmp.Or(a.Error, "none says why"))
		}
		return a.Outcome, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// collect asks what has come of the parts until ctx ends, and tells how many workers are at. The error is that no
// worker is at any of them.
func (d *dispatcher) collect(ctx context.Context, busy func(parts int64)) error {
	tick := time.NewTicker(answerEvery)
	defer tick.Stop()
	moved := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		d.mu.Lock()
		paths := slices.Sorted(maps.Keys(d.waiting))
		d.mu.Unlock()
		if len(paths) == 0 {
			moved = time.Now()
			continue
		}
		var come struct {
			Busy int64                 `json:"busy"`
			Done map[string]partAnswer `json:"done"`
		}
		err := d.session.Tx(ctx, uuid.Nil, func(tx tenancy.Tx) error {
			raw, err := queries.New(tx).PartsChecked(ctx,
				queries.PartsCheckedParams{Verification: d.verification, Paths: paths, Silent: silentFor.Seconds()})
			if err != nil {
				return err
			}
			return json.Unmarshal(raw, &come)
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ask what the workers found: %w", err)
		}
		busy(come.Busy)
		if come.Busy > 0 || len(come.Done) > 0 {
			moved = time.Now()
		} else if time.Since(moved) > d.timeout {
			return fmt.Errorf("no worker has been at any of %d parts for %s: is ward worker running, with a store?",
				len(paths), d.timeout)
		}
		d.deliver(come.Done)
	}
}

func (d *dispatcher) deliver(done map[string]partAnswer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path, a := range done {
		if c, ok := d.waiting[path]; ok {
			c <- a
			delete(d.waiting, path)
		}
	}
}

// CheckPart does, as ward_worker, what a verification has handed out: one part. Nothing is done about a part that
// another worker is at, or that nobody waits for any more. worker is who does it, for the report.
func CheckPart(ctx context.Context, pool *pgxpool.Pool, store archive.Store, verification uuid.UUID,
	path, worker string) error {
	q := queries.New(pool)
	raw, err := q.TakePart(ctx,
		queries.TakePartParams{Verification: verification, Path: path, Worker: worker, Silent: silentFor.Seconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take %s: %w", path, err)
	}
	wanted, stop := context.WithCancel(ctx)
	defer stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		beat(wanted, q, queries.BeatPartParams{Verification: verification, Path: path, Worker: worker}, stop)
	}()
	var task archive.PartTask
	var a partAnswer
	if err = json.Unmarshal(raw, &task); err == nil {
		a.Outcome, err = archive.CheckPart(wanted, store, &task)
	}
	unwanted := wanted.Err() != nil
	stop()
	<-gone
	switch {
	case ctx.Err() != nil:
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return errors.Join(ctx.Err(),
			q.LeavePart(last, queries.LeavePartParams{Verification: verification, Path: path, Worker: worker}))
	case unwanted:
		return nil
	case err != nil:
		a = partAnswer{Error: err.Error()}
	default:
		a.Outcome.Worker = worker
	}
	if raw, err = json.Marshal(a); err == nil {
		err = q.SavePart(ctx, queries.SavePartParams{Verification: verification, Path: path, Outcome: raw})
	}
	if err != nil {
		return fmt.Errorf("store what was found in %s: %w", path, err)
	}
	return nil
}

// beat says again and again that the worker is at its part, until ctx ends, and stops the work where nobody wants it
// any more. A beat that fails is not the end: the next one may pass.
func beat(ctx context.Context, q *queries.Queries, part queries.BeatPartParams, stop func()) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n, err := q.BeatPart(ctx, part); err == nil && n == 0 {
			stop()
			return
		}
	}
}
