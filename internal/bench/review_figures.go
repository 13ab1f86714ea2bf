package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sim "github.com/ward-health/ward/internal/clinic"
)

// The seeds on which parameters of rules may be tuned, and those that scores are of. They have none in common, and the
// demo's own (1) is one of the former.
var (
	TuningSeeds  = []uint64{1, 2, 3, 4, 5, 101, 102, 103, 104}
	scoringSeeds = []uint64{9001, 9002, 9003, 9004, 9005}
)

// ReviewScore simulates clinics with injected misbehaviour, each with a benign twin, examines them day by day with
// every shipped rule, and holds the queue against the answer key. Every figure of it is of synthetic histories:
// precision does not carry over to a clinic, and recall is an upper bound.
func ReviewScore(ctx context.Context, o Options) ([]Figure, error) {
	return reviewScore(ctx, o, scoringSeeds)
}

func reviewScore(ctx context.Context, o Options, seeds []uint64) ([]Figure, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.remove()
	if o.Quick {
		seeds = seeds[:1]
	}
	var dirty, clean []scored
	for _, seed := range seeds {
		for _, into := range []struct {
			list  *[]scored
			clean bool
		}{{&dirty, false}, {&clean, true}} {
			one, err := s.examine(ctx, o, o.pastConfig(seed, into.clean))
			if err != nil {
				return nil, err
			}
			*into.list = append(*into.list, one)
		}
	}
	return figures(dirty, clean), nil
}

// pastConfig is the size of the histories: 1,000 people with about 220 accesses each, 22,000 patients with about 10,
// over 75 days. No clock is in it.
func (o Options) pastConfig(seed uint64, clean bool) sim.Config {
	return sim.Config{Seed: seed, Clean: clean, Clinics: o.size(8, 4), Staff: o.size(1000, 200),
		Patients: o.size(22_000, 4000), Days: o.size(75, 60), Events: o.size(260_000, 40_000),
		Now: time.Date(2026, 11, 20, 15, 4, 5, 0, time.UTC), Password: "not a secret: a private server", Stray: 0.005}
}

// figures puts scores into lines. Ward is the figure and Ratio says how it stands to its target; Other is what a
// perfect reviewer of a perfect queue would have.
func figures(dirty, clean []scored) []Figure {
	var out []Figure
	line := func(name string, of func(scored) float64, all float64, target float64, note string) {
		out = append(out, Figure{Figure: name + " (synthetic)", Unit: "share", Ward: all, Against: "the answer key",
			Other: 1, Ratio: all, Target: target, Met: all >= target, Rounds: len(dirty),
			Spread: spreadOf(dirty, all, of), Note: note + "; " + seedsSay(dirty, of)})
	}
	sum := func(tiers string) tally {
		var t tally
		for _, s := range dirty {
			t.add(s.ofTiers(tiers))
		}
		return t
	}
	for _, v := range []struct {
		tiers  string
		target float64
		budget bool
	}{{"A", 1, false}, {"A", 0, true}, {"BC", 0, false}, {"BC", 0.8, true}, {"B", 0, true}, {"C", 0, true}} {
		t, name := sum(v.tiers), "recall, tier "+strings.Join(strings.Split(v.tiers, ""), " and ")
		k := t.found
		of := func(s scored) float64 { x := s.ofTiers(v.tiers); return share(x.found, x.incidents) }
		if v.budget {
			name += ", at 20 a day for 1,000 users"
			k = t.reviewed
			of = func(s scored) float64 { x := s.ofTiers(v.tiers); return share(x.reviewed, x.incidents) }
		}
		low, high := wilson(k, t.incidents)
		line(name, of, share(k, t.incidents), v.target,
			fmt.Sprintf("%d of %d incidents, 95 %% interval %.2f to %.2f", k, t.incidents, low, high))
	}
	all := sum("ABC")
	low, high := wilson(all.twins-all.falseTwins, all.twins)
	line("benign twins left alone", func(s scored) float64 {
		x := s.ofTiers("ABC")
		return 1 - share(x.falseTwins, x.twins)
	}, 1-share(all.falseTwins, all.twins), 0.9,
		fmt.Sprintf("%d of %d twins are in an anomaly, 95 %% interval %.2f to %.2f", all.falseTwins,
			all.twins, low, high))
	out = append(out, precision(dirty)...)
	out = append(out, cleanFigure(clean), rateFigure("anomalies, histories with incidents", dirty),
		rateFigure("anomalies, clean histories", clean), delayFigure(dirty))
	return append(append(out, scenarioFigures(dirty)...), ruleFigures(dirty, clean)...)
}

// ruleFigures is a line for each rule that found something: how much of it holds an incident, and how much it finds
// where there is none.
func ruleFigures(dirty, clean []scored) []Figure {
	total, right, quiet := map[string]int{}, map[string]int{}, map[string]int{}
	for _, s := range dirty {
		for rule, n := range s.anomalies {
			total[rule] += n
			right[rule] += s.true[rule]
		}
	}
	for _, s := range clean {
		for rule, n := range s.anomalies {
			total[rule] += 0 // one that speaks of clean histories only is listed too
			quiet[rule] += n
		}
	}
	var out []Figure
	for _, rule := range slices.Sorted(maps.Keys(total)) {
		if len(rule) == 1 {
			continue // a tier
		}
		of := func(s scored) float64 { return share(s.true[rule], s.anomalies[rule]) }
		out = append(out, Figure{Figure: "precision, " + rule + " (synthetic)", Unit: "share", Ward: share(right[rule],
			total[rule]), Against: "the answer key", Other: 1, Ratio: share(right[rule], total[rule]), Met: true,
			Rounds: len(dirty), Spread: spreadOf(dirty, share(right[rule], total[rule]), of),
			Note: fmt.Sprintf("%d of %d anomalies hold an incident; %d anomalies in %d clean histories", right[rule],
				total[rule], quiet[rule], len(clean))})
	}
	return out
}

func precision(dirty []scored) []Figure {
	var out []Figure
	add := func(name string, of func(scored) (int, int), note string) {
		k, n := 0, 0
		for _, s := range dirty {
			a, b := of(s)
			k, n = k+a, n+b
		}
		one := func(s scored) float64 { a, b := of(s); return share(a, b) }
		low, high := wilson(k, n)
		out = append(out, Figure{Figure: name + " (synthetic)", Unit: "share", Ward: share(k, n),
			Against: "the answer key", Other: 1, Ratio: share(k, n), Met: true, Rounds: len(dirty),
			Spread: spreadOf(dirty, share(k, n), one),
			Note: fmt.Sprintf("%d of %d anomalies %s, 95 %% interval %.2f to %.2f; %s", k, n, note, low, high,
				seedsSay(dirty, one))})
	}
	add("precision of the queue", func(s scored) (int, int) {
		return s.true["A"] + s.true["B"] + s.true["C"], s.anomalies["A"] + s.anomalies["B"] + s.anomalies["C"]
	}, "hold an incident")
	for _, tier := range []string{"A", "B", "C"} {
		add("precision, tier "+tier, func(s scored) (int, int) { return s.true[tier], s.anomalies[tier] },
			"hold an incident")
	}
	add("precision at 20 a day for 1,000 users", func(s scored) (int, int) { return s.right, s.reviewed },
		"that the budget came to")
	return out
}

// cleanFigure: a clean history has no anomaly of tier A; one is a bug of a rule or of the simulator.
func cleanFigure(clean []scored) Figure {
	var rules []string
	n := 0
	for _, s := range clean {
		n += len(s.tierA)
		rules = append(rules, s.tierA...)
	}
	slices.Sort(rules)
	note := fmt.Sprintf("%d anomalies of tier A in %d clean histories", n, len(clean))
	if n > 0 {
		note += ": " + strings.Join(slices.Compact(rules), ", ")
	}
	f := Figure{Figure: "clean histories without tier A (synthetic)", Unit: "share", Against: "none is right", Other: 1,
		Target: 1, Rounds: len(clean), Note: note}
	for _, s := range clean {
		if len(s.tierA) == 0 {
			f.Ward += 1 / float64(len(clean))
		}
	}
	f.Ratio, f.Met = f.Ward, n == 0 && len(clean) > 0
	return f
}

func rateFigure(name string, list []scored) Figure {
	of := func(s scored) float64 {
		return 1000 * share(s.anomalies["A"]+s.anomalies["B"]+s.anomalies["C"], s.actorDays)
	}
	var values []float64
	for _, s := range list {
		values = append(values, of(s))
	}
	m := median(values)
	return Figure{Figure: name + " (synthetic)", Unit: "per 1,000 actor-days", Ward: m, Against: "for information",
		Ratio: 1, Met: true, Rounds: len(list), Spread: spreadOf(list, m, of), Note: seedsSay(list, of)}
}

func delayFigure(dirty []scored) Figure {
	var all []time.Duration
	for _, s := range dirty {
		all = append(all, s.ofTiers("ABC").delays...)
	}
	f := Figure{Figure: "delay from an incident's first event to its anomaly (synthetic)", Unit: "h",
		Against: "for information", Ratio: 1, Met: true, Rounds: len(dirty),
		Note: "median; rules ran once a day here, an installation runs them every few seconds to hours"}
	if len(all) > 0 {
		f.Ward = median(all).Hours()
	}
	return f
}

// scenarioFigures is a line for each scenario: its recall, and the rest in the note.
func scenarioFigures(dirty []scored) []Figure {
	total := map[string]tally{}
	for _, s := range dirty {
		for name, one := range s.scenarios {
			t := total[name]
			t.add(one)
			total[name] = t
		}
	}
	names := slices.SortedFunc(maps.Keys(total),
		func(a, b string) int { return strings.Compare(tierOf[a]+a, tierOf[b]+b) })
	var out []Figure
	for _, name := range names {
		t := total[name]
		of := func(s scored) float64 { return share(s.scenarios[name].found, s.scenarios[name].incidents) }
		note := fmt.Sprintf("%d of %d found, %d within the budget; %d of %d twins in an anomaly", t.found, t.incidents,
			t.reviewed, t.falseTwins, t.twins)
		for _, rule := range slices.Sorted(maps.Keys(t.alarms)) {
			note += fmt.Sprintf(", %d of %s", t.alarms[rule], rule)
		}
		if len(t.delays) > 0 {
			note += fmt.Sprintf("; median delay %.0f h", median(t.delays).Hours())
		}
		if t.quiet > 0 {
			note += fmt.Sprintf("; %d of the %d that stay below the counters", t.quietFound, t.quiet)
		}
		out = append(out, Figure{Figure: "recall, " + tierOf[name] + " " + name + " (synthetic)", Unit: "share",
			Ward: share(t.found, t.incidents), Against: "the answer key", Other: 1,
			Ratio: share(t.found, t.incidents), Met: true,
			Rounds: len(dirty), Spread: spreadOf(dirty, share(t.found, t.incidents), of), Note: note})
	}
	return out
}
