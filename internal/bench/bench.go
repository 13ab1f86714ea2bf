// Package bench measures ward against what it is compared with. A benchmark sets up what it needs by itself (a private
// server with fsync on and ordinary settings, removed at the end), runs ward's side and the other side alternately in
// one run, so that a busy machine slows both, and states the median of several rounds with their spread.
package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Options say how large a run is.
type Options struct {
	// a smaller size of the same shape, for checking; figures that are quoted come from the full size
	Quick    bool
	Progress func(message string) // may be nil
}

// size is what Quick changes.
func (o Options) size(full, quick int) int {
	if o.Quick {
		return quick
	}
	return full
}

// rounds and round are how often and for how long each side runs.
func (o Options) rounds() int { return o.size(7, 5) }

func (o Options) round() time.Duration {
	return time.Duration(o.size(2000, 300)) * time.Millisecond
}

func (o Options) say(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// Figure is one line of a benchmark's result.
type Figure struct {
	Figure  string  `json:"figure"`
	Unit    string  `json:"unit"`
	Ward    float64 `json:"ward"` // median of the rounds
	Against string  `json:"against"`
	Other   float64 `json:"other"`
	Ratio   float64 `json:"ratio"`  // how many times better ward is: the median of the rounds' ratios
	Target  float64 `json:"target"` // 0: for information
	Met     bool    `json:"met"`
	Rounds  int     `json:"rounds"`
	Spread  float64 `json:"spread"` // of the ratio: largest minus smallest, over the median
	Note    string  `json:"note"`
}

// side runs one round and gives its figure.
type side func(ctx context.Context) (float64, error)

// comparison is one line to be measured.
type comparison struct {
	figure, unit, against, note string
	target                      float64
	less                        bool // less is better: a time
	ward, other                 side
}

// run measures: one round of each side to warm up, then rounds in which the two alternate, the first one changing.
func (c comparison) run(ctx context.Context, o Options) (Figure, error) {
	var ours, theirs, ratios []float64
	for i := range o.rounds() + 1 {
		var got [2]float64
		sides := [2]side{c.ward, c.other}
		for j := range sides {
			which := (i + j) % 2
			v, err := sides[which](ctx)
			if err != nil {
				return Figure{}, fmt.Errorf("%s: %s: %w", c.figure, [2]string{"ward", c.against}[which], err)
			}
			if v <= 0 {
				return Figure{}, fmt.Errorf("%s: %s did nothing in a round", c.figure,
					[2]string{"ward", c.against}[which])
			}
			got[which] = v
		}
		if i == 0 {
			continue
		}
		ours, theirs = append(ours, got[0]), append(theirs, got[1])
		ratio := got[0] / got[1]
		if c.less {
			ratio = got[1] / got[0]
		}
		ratios = append(ratios, ratio)
	}
	ratio := median(ratios)
	return Figure{Figure: c.figure, Unit: c.unit, Ward: median(ours), Against: c.against, Other: median(theirs),
		Ratio: ratio, Target: c.target, Met: ratio >= c.target,
		Rounds: len(ratios), Spread: (slices.Max(ratios) - slices.Min(ratios)) / ratio, Note: c.note}, nil
}

// median of a list that is not empty.
func median[T cmp.Ordered](list []T) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// rate runs do in several goroutines for a while and gives how many were done per second. do gets the goroutine's
// number and a count of its own.
func rate(ctx context.Context, goroutines int, d time.Duration,
	do func(ctx context.Context, g, n int) error) (float64, error) {
	type ended struct {
		n   int
		err error
	}
	results := make(chan ended, goroutines)
	start := time.Now()
	for g := range goroutines {
		go func() {
			var e ended
			for e.err == nil && time.Since(start) < d {
				if e.err = do(ctx, g, e.n); e.err == nil {
					e.n++
				}
			}
			results <- e
		}()
	}
	total := 0
	var err error
	for range goroutines {
		e := <-results
		total += e.n
		if err == nil {
			err = e.err
		}
	}
	return float64(total) / time.Since(start).Seconds(), err
}

// latency is the median time of do in one goroutine, in milliseconds.
func latency(ctx context.Context, d time.Duration, do func(ctx context.Context, g, n int) error) (float64, error) {
	var times []time.Duration
	for start := time.Now(); len(times) == 0 || time.Since(start) < d; {
		t := time.Now()
		if err := do(ctx, 0, len(times)); err != nil {
			return 0, err
		}
		times = append(times, time.Since(t))
	}
	return median(times).Seconds() * 1000, nil
}
