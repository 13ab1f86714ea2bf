package bench

import (
	"context"
	_ "embed" // for review.sql
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/review"
)

//go:embed review.sql
var reviewSQL string

// reviewed is a database with a history that every rule has examined.
type reviewed struct {
	world *world
	work  *pgxpool.Pool // ward_worker's
	rules []*review.Rule
	batch int64
	fresh int64 // how many events come in a round
	now   time.Time
	read  map[string][]float64 // by rule: the pages of 8 KiB that each round's run touched, cached or not
}

// reviewCost holds a run of every rule over the newest events, with much history, against the same with a tenth of it.
func reviewCost(ctx context.Context, o Options) ([]Figure, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.remove()
	long, fresh := int64(o.size(10_000_000, 60_000)), int64(o.size(100_000, 2_000))
	var sides [2]*reviewed
	defer func() {
		for _, side := range sides {
			if side != nil {
				side.close()
			}
		}
	}()
	for i, events := range []int64{long, long / 10} {
		if sides[i], err = s.reviewed(ctx, o, fmt.Sprintf("review%d", i), events, fresh); err != nil {
			return nil, err
		}
	}
	f, err := comparison{
		figure: fmt.Sprintf("a run of every rule over the newest %d events, with %d events of history", fresh, long),
		unit:   "s", against: fmt.Sprintf("with %d", long/10), target: 1 / 1.2, less: true,
		note: "the target is at most 1.2 times as much; each round has new events", ward: sides[0].round,
		other: sides[1].round,
	}.run(ctx, o)
	if err != nil {
		return nil, err
	}
	return append([]Figure{f}, pagesRead(sides[0], sides[1], long)...), nil
}

// pagesRead is a line for all rules together and one for each: unlike seconds, the pages that a run touches do not hang
// on what else the machine does.
func pagesRead(much, little *reviewed, events int64) []Figure {
	line := func(what string, more, less []float64) Figure {
		a, b := median(more), median(less)
		return Figure{Figure: fmt.Sprintf("pages touched by %s, with %d events of history", what, events),
			Unit: "pages", Ward: a, Against: fmt.Sprintf("with %d", events/10), Other: b, Ratio: b / a, Met: true,
			Rounds: len(more), Note: "for information; pages of 8 KiB, cached or not, in a run of its own"}
	}
	all := [2][]float64{make([]float64, len(much.read[much.rules[0].ID])),
		make([]float64, len(little.read[little.rules[0].ID]))}
	var each []Figure
	for _, rule := range much.rules {
		for i, side := range []*reviewed{much, little} {
			for j, n := range side.read[rule.ID] {
				all[i][j] += n
			}
		}
		each = append(each, line(rule.ID, much.read[rule.ID], little.read[rule.ID]))
	}
	total := line("a run of every rule", all[0], all[1])
	total.Target, total.Note = 1/1.2, "the target is at most 1.2 times as many"
	total.Met = total.Ratio >= total.Target
	return append([]Figure{total}, each...)
}

func (s *server) reviewed(ctx context.Context, o Options, name string, events, fresh int64) (*reviewed, error) {
	w, err := s.world(ctx, o, name, 10, o.size(1000, 200))
	if err != nil {
		return nil, err
	}
	r := &reviewed{world: w, fresh: fresh, now: time.Now().UTC(), read: map[string][]float64{}}
	if r.work, err = pgxpool.New(ctx, s.cluster.DSN("ward_worker", name)); err != nil {
		r.close()
		return nil, fmt.Errorf("connect as worker: %w", err)
	}
	if err := r.past(ctx, o, events); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reviewed) close() {
	if r.work != nil {
		r.work.Close()
	}
	r.world.close()
}

// sealedSoFar says that all there is has its place, as the sealer would.
const sealedSoFar = "update audit.seal_state set snapshot = pg_current_snapshot()"

// past fills in the history, as examined: the filters have explained it, and what is usual is counted.
func (r *reviewed) past(ctx context.Context, o Options, events int64) error {
	rules, err := review.ShippedRules()
	if err != nil {
		return err
	}
	if err := review.Register(ctx, r.work, rules); err != nil {
		return err
	}
	if r.rules, err = review.Enabled(ctx, r.work, rules); err != nil {
		return err
	}
	do := func(sql string, args ...any) error {
		if _, err := r.world.super.Exec(ctx, sql, args...); err != nil {
			return fmt.Errorf("make a history: %w", err)
		}
		return nil
	}
	if err := do(reviewSQL); err != nil {
		return err
	}
	r.batch = 1
	first, last := r.now.AddDate(0, 0, -90), r.now.AddDate(0, 0, -6)
	const piece = 200_000
	for done := int64(0); done < events; done += piece {
		o.say("%d of %d events of history", done, events)
		n := min(piece, events-done)
		from, to := first.Add(time.Duration(float64(last.Sub(first))*float64(done)/float64(events))),
			first.Add(time.Duration(float64(last.Sub(first))*float64(done+n)/float64(events)))
		if err := do("select bench.happen($1, $2, $3, $4, true)", n, r.batch, from, to); err != nil {
			return err
		}
		r.batch += (n + 999) / 1000
		if err := do("select review.advance_activity($1)", r.batch-1); err != nil {
			return err
		}
	}
	if err := do("update review.rule set cursor_batch = $1", r.batch-1); err != nil {
		return err
	}
	if err := do(sealedSoFar); err != nil {
		return err
	}
	return do("vacuum analyze")
}

// round lets new events happen and runs every rule over them: the seconds that the runs took. A round is over events of
// its own, a few hours after those of the one before.
func (r *reviewed) round(ctx context.Context) (float64, error) {
	r.now = r.now.Add(time.Hour)
	at := r.now.AddDate(0, 0, -5)
	if _, err := r.world.super.Exec(ctx, "select bench.happen($1, $2, $3, $4, false)", r.fresh, r.batch, at,
		at.Add(time.Hour)); err != nil {
		return 0, fmt.Errorf("let events happen: %w", err)
	}
	r.batch += (r.fresh + 999) / 1000
	if _, err := r.world.super.Exec(ctx, sealedSoFar); err != nil {
		return 0, fmt.Errorf("say what is sealed: %w", err)
	}
	var took time.Duration
	for _, rule := range r.rules {
		before, err := r.pages(ctx)
		if err != nil {
			return 0, err
		}
		begun := time.Now()
		res, err := review.Run(ctx, r.work, rule, r.now, review.RunRequest{})
		if err != nil {
			return 0, err
		}
		if !rule.Watches() && res.ToBatch != r.batch-1 {
			return 0, fmt.Errorf("rule %s has read up to batch %d of %d", rule.ID, res.ToBatch, r.batch-1)
		}
		took += time.Since(begun)
		after, err := r.pages(ctx)
		if err != nil {
			return 0, err
		}
		r.read[rule.ID] = append(r.read[rule.ID], float64(after-before))
	}
	return took.Seconds(), nil
}

// pages is how many the worker's connections have touched so far in this database; each says so when told to.
func (r *reviewed) pages(ctx context.Context) (n int64, err error) {
	for _, conn := range r.work.AcquireAllIdle(ctx) {
		if _, e := conn.Exec(ctx, "select pg_stat_force_next_flush()"); e != nil {
			err = e
		}
		conn.Release()
	}
	if err == nil {
		err = r.world.super.QueryRow(ctx,
			"select blks_hit + blks_read from pg_stat_database where datname = current_database()").Scan(&n)
	}
	if err != nil {
		return 0, fmt.Errorf("count pages: %w", err)
	}
	return n, nil
}
