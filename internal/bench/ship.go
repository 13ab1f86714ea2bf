package bench

import (
	"context"
	_ "embed" // for ship.sql
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/internal/worker"
	"github.com/ward-health/ward/review"
)

//go:embed ship.sql
var eventsSQL string

// copySQL is what shipping is compared with: the same rows in the same order, out of the database and away.
const copySQL = `copy (select c.tenant_id, c.seq, c.sealed_at, c.nonce, c.hash, e.event_id, e.recorded_at,
		e.occurred_at, e.user_id, e.actor_kind, e.session_id, e.membership_id, e.disclosure_id,
  e.action, e.outcome, e.record_table, e.record_id, e.subject_id, e.purpose, e.detail, e.source
  from audit.chain c join audit.event e on e.recorded_at = c.recorded_at and e.event_id = c.event_id
    order by c.tenant_id, c.seq) to stdout (format binary)`

// quay is where a world's events are shipped from.
type quay struct {
	*world
	server *server
	name   string
	work   *pgxpool.Pool
	signer *archive.Signer
	origin string
}

func (s *server) quay(ctx context.Context, o Options, name string) (*quay, error) {
	w, err := s.world(ctx, o, name, 10, 1000)
	if err != nil {
		return nil, err
	}
	q := &quay{world: w, server: s, name: name, origin: archive.Origin("bench", "bench")}
	text, _, err := archive.GenerateKey(q.origin)
	if err == nil {
		q.signer, err = archive.NewSigner(text)
	}
	if err == nil {
		q.work, err = pgxpool.New(ctx, s.cluster.DSN("ward_worker", name))
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("prepare shipping: %w", err)
	}
	return q, nil
}

func (q *quay) close() {
	q.work.Close()
	q.world.close()
}

// shipper ships to a new directory.
func (q *quay) shipper() (s *audit.Shipper, dir string, err error) {
	dir, err = os.MkdirTemp("", "ward-bench-store-")
	if err != nil {
		return nil, "", fmt.Errorf("make directory for the archive: %w", err)
	}
	store, err := archive.OpenDir(dir)
	if err != nil {
		return nil, dir, err
	}
	return &audit.Shipper{Pool: q.work, Store: store, Signer: q.signer, Origin: q.origin, Now: time.Now}, dir, nil
}

// Ship measures the way of an event into the archive: how long until it is sealed, while a worker does everything that
// it does, and how fast sealed rows are shipped.
func Ship(ctx context.Context, o Options) ([]Figure, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.remove()
	lag, err := s.lag(ctx, o)
	if err != nil {
		return nil, err
	}
	throughput, err := s.throughput(ctx, o)
	if err != nil {
		return nil, err
	}
	return append(lag, throughput...), nil
}

// throughput holds shipping, the part read back and every row checked, against the bare reading of the same rows.
func (s *server) throughput(ctx context.Context, o Options) ([]Figure, error) {
	q, err := s.quay(ctx, o, "ship")
	if err != nil {
		return nil, err
	}
	defer q.close()
	rows := o.size(1_000_000, 200_000)
	o.say("writing and sealing %d events", rows)
	if err := q.fill(ctx, rows); err != nil {
		return nil, err
	}
	used, err := withServer(ctx, q.super)
	if errors.Is(err, fs.ErrNotExist) {
		used, err = thisProcess, nil
		o.say("this system has no /proc: by the processor's time counts the client alone")
	}
	if err != nil {
		return nil, err
	}
	c := comparison{figure: fmt.Sprintf("ship %d rows of one region", rows), unit: "rows/s",
		against: "COPY of the same rows, discarded", target: 0.70,
		note: "encoded, flushed to a directory, read back and checked row by row"}
	o.say("%s", c.figure)
	ship := func(ctx context.Context) (int64, time.Duration, error) { return q.ship(ctx, rows) }
	return c.byProcessor(ctx, o, ship, q.copyOut, used)
}

// ship ships all rows to a directory of their own.
func (q *quay) ship(ctx context.Context, rows int) (n int64, took time.Duration, err error) {
	shipper, dir, err := q.shipper()
	defer os.RemoveAll(dir)
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	parts, err := shipper.Ship(ctx)
	took = time.Since(begun)
	for _, p := range parts {
		n += p.Rows
	}
	if err == nil && n < int64(rows) {
		err = fmt.Errorf("%d rows shipped of %d", n, rows)
	}
	return n, took, err
}

// copyOut reads all rows and does nothing with them.
func (q *quay) copyOut(ctx context.Context) (int64, time.Duration, error) {
	conn, err := q.work.Acquire(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	begun := time.Now()
	tag, err := conn.Conn().PgConn().CopyTo(ctx, io.Discard, copySQL)
	if err != nil {
		return 0, 0, fmt.Errorf("copy the rows: %w", err)
	}
	return tag.RowsAffected(), time.Since(begun), nil
}

// fill writes events of all clinics and seals them.
func (q *quay) fill(ctx context.Context, rows int) error {
	sealer, err := audit.Lead(ctx, q.work)
	if err != nil {
		return err
	}
	defer sealer.Close(ctx)
	const at = 50_000
	for range rows / at {
		if _, err := q.super.Exec(ctx, eventsSQL, at); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
		if _, err := sealer.Seal(ctx); err != nil {
			return err
		}
	}
	return q.server.exec(ctx, q.server.cluster.DSN(postgres.SuperuserRole, q.name), "vacuum analyze")
}

// The load under which the lag is measured: each writer commits its events so often. With five of them that is 2,000
// events a second, what is asked for; the smaller size writes two, since a machine with other work to do falls behind
// the five.
const (
	lagWriters = 4
	lagEvery   = 10 * time.Millisecond
)

func lagRate(events int) float64 { return lagWriters * float64(events) / lagEvery.Seconds() }

// lag measures how long after it was written an event is sealed, durably and for everybody to see, while a worker
// seals, classifies, publishes heads, ships and runs the rules.
func (s *server) lag(ctx context.Context, o Options) ([]Figure, error) {
	q, err := s.quay(ctx, o, "lag")
	if err != nil {
		return nil, err
	}
	defer q.close()
	rules, err := review.ShippedRules()
	if err != nil {
		return nil, err
	}
	shipper, dir, err := q.shipper()
	defer os.RemoveAll(dir)
	if err != nil {
		return nil, err
	}
	for_ := time.Duration(o.size(60, 10)) * time.Second
	events := o.size(5, 2)
	o.say("sealing lag at %.0f events/s for %s", lagRate(events), for_)
	running, stop := context.WithCancel(ctx)
	defer stop()
	g, running := errgroup.WithContext(running)
	g.Go(func() error {
		// it ships a few times while it is measured
		return worker.Run(running, worker.Config{Pool: q.work, Rules: rules, Shipper: shipper, ShipEvery: for_ / 4})
	})
	seen := map[int64]time.Time{}
	g.Go(func() error { return q.watch(running, seen) })
	writers, writing := errgroup.WithContext(running)
	begun := time.Now()
	for range lagWriters {
		writers.Go(func() error { return q.write(writing, events, begun.Add(for_)) })
	}
	err = writers.Wait()
	if err == nil {
		err = q.sealed(running)
	}
	stop()
	if e := g.Wait(); err == nil && e != nil && !errors.Is(e, context.Canceled) {
		err = e
	}
	if err != nil {
		return nil, fmt.Errorf("seal under load: %w", err)
	}
	return q.lags(ctx, seen, for_, lagRate(events))
}

// write inserts at the load's pace. A writer that falls behind says so, since the load would be another one.
func (q *quay) write(ctx context.Context, events int, until time.Time) error {
	conn, err := q.super.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	next := time.Now()
	for next.Before(until) {
		if _, err := conn.Exec(ctx, eventsSQL, events); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
		if next = next.Add(lagEvery); time.Until(next) > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Until(next)):
			}
		}
	}
	return nil
}

// watch notes when each batch could be seen, within 5 ms.
func (q *quay) watch(ctx context.Context, seen map[int64]time.Time) error {
	conn, err := pgx.Connect(ctx, q.server.cluster.DSN(postgres.SuperuserRole, q.name)) // the writers have the pool's
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var last int64
	for {
		var batch int64
		if err := conn.QueryRow(ctx, "select batch from audit.seal_state").Scan(&batch); err != nil {
			return fmt.Errorf("watch sealing: %w", err)
		}
		for now := time.Now(); last < batch; {
			last++
			seen[last] = now
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// sealed waits until everything is.
func (q *quay) sealed(ctx context.Context) error {
	var newest int64
	if err := q.super.QueryRow(ctx, "select max(event_id) from audit.event").Scan(&newest); err != nil {
		return fmt.Errorf("find the newest event: %w", err)
	}
	for done := false; !done; {
		if err := q.super.QueryRow(ctx, "select exists (select from audit.chain where event_id >= $1)",
			newest).Scan(&done); err != nil {
			return fmt.Errorf("wait for sealing: %w", err)
		}
	}
	return nil
}

// lags are the quantiles over the events that the writers wrote.
func (q *quay) lags(ctx context.Context, seen map[int64]time.Time, d time.Duration, want float64) ([]Figure, error) {
	rows, err := q.super.Query(ctx, "select c.batch, e.recorded_at from audit.chain c join audit.event e "+
		"on e.recorded_at = c.recorded_at and e.event_id = c.event_id where e.detail = '{\"bench\": true}'")
	if err != nil {
		return nil, fmt.Errorf("read lags: %w", err)
	}
	var list []float64
	var batch int64
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&batch, &at}, func() error {
		if t, ok := seen[batch]; ok {
			list = append(list, t.Sub(at).Seconds())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read lags: %w", err)
	}
	per := float64(len(list)) / d.Seconds()
	if len(list) == 0 {
		return nil, errors.New("no event was written and sealed while the lag was measured")
	}
	note := "from writing to being sealed and seen; beside it the worker classifies, publishes, ships " +
		"and runs the rules"
	kept := per >= 0.95*want
	if !kept { // said, and not met: the lag is of another load
		note = fmt.Sprintf("the machine wrote %.0f events/s, not %.0f; %s", per, want, note)
	}
	slices.Sort(list)
	var out []Figure
	for _, p := range []struct {
		name   string
		at     float64
		target float64
	}{{"p50", 0.50, 0}, {"p99", 0.99, 1}} {
		v := list[int(p.at*float64(len(list)-1))]
		out = append(out, Figure{Figure: fmt.Sprintf("seal lag, %s over %s at %.0f events/s", p.name, d, per),
			Unit: "s", Ward: v, Against: "2 s", Other: 2, Ratio: 2 / v, Target: p.target,
			Met: 2/v >= p.target && (kept || p.target == 0), Rounds: 1,
			Note: note})
	}
	return out, nil
}
