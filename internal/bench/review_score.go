package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	sim "github.com/ward-health/ward/internal/clinic"
)

// tierOf is the tier that a scenario belongs to: A, what must not occur at all; B, access without a relationship; C,
// access out of the ordinary.
var tierOf = map[string]string{
	sim.ForeignLog: "A", sim.CrossTenant: "A", sim.Terminated: "A", sim.NoRight: "A", sim.ServiceOffList: "A",
	sim.ServicePerson: "A",
	sim.Snooper:       "B", sim.FormerPatient: "B", sim.Emergency: "B", sim.VoidedVisit: "B", sim.Crowd: "B",
	sim.OwnChart: "B", sim.Coworker: "B",
	sim.BulkReader: "C", sim.Enumerator: "C", sim.NightReader: "C", sim.Dormant: "C", sim.Exporter: "C",
	sim.EmptySearches: "C",
}

// finding is one anomaly as a reviewer with so many a day would meet it.
type finding struct {
	rule, tier string
	rank       int
	made       time.Time           // simulated end of the day whose run made it
	evidence   map[int64]time.Time // event: end of the day whose run added it
	reviewed   time.Time           // zero: the budget never came to it
}

// heldUp says which of the events the reviewer, or (whenever: anybody, in the end) has before them, and since when.
func (f *finding) heldUp(events map[int64]bool, whenever bool) (at time.Time, ok bool) {
	for id, added := range f.evidence {
		if !events[id] || !whenever && (f.reviewed.IsZero() || added.After(f.reviewed)) {
			continue
		}
		if !ok || added.Before(at) {
			at, ok = added, true
		}
	}
	return at, ok
}

// tally is what the findings of one or more histories come to, for one scenario or several.
type tally struct {
	incidents, found, reviewed int // found: in an anomaly; reviewed: in one that the budget came to
	twins, falseTwins          int // twins in an anomaly that holds no incident
	quiet, quietFound          int // of the incidents, those that stay below the counters
	delays                     []time.Duration
	alarms                     map[string]int // rule: its false alarms about twins
}

func (t *tally) add(o tally) {
	t.incidents += o.incidents
	t.found += o.found
	t.reviewed += o.reviewed
	t.twins += o.twins
	t.falseTwins += o.falseTwins
	t.quiet += o.quiet
	t.quietFound += o.quietFound
	t.delays = append(t.delays, o.delays...)
	for rule, n := range o.alarms {
		if t.alarms == nil {
			t.alarms = map[string]int{}
		}
		t.alarms[rule] += n
	}
}

// scored is one history's findings held against its answer key.
type scored struct {
	scenarios       map[string]tally
	anomalies, true map[string]int // by tier, and by rule
	reviewed, right int            // of those that the budget came to, of all tiers
	actorDays       int
	tierA           []string // rules of anomalies of tier A that hold no incident
}

// score holds findings against the answer key.
func score(labels []sim.Label, findings []*finding, actorDays int) scored {
	s := scored{scenarios: map[string]tally{}, anomalies: map[string]int{}, true: map[string]int{},
		actorDays: actorDays}
	wrong := map[int64]bool{}
	sets := make([]map[int64]bool, len(labels))
	for i := range labels {
		sets[i] = map[int64]bool{}
		for _, id := range labels[i].EventIDs {
			sets[i][id] = true
			if labels[i].Kind == sim.Incident {
				wrong[id] = true
			}
		}
	}
	var blameless []*finding
	for _, f := range findings {
		s.anomalies[f.tier]++
		s.anomalies[f.rule]++
		_, holds := f.heldUp(wrong, true)
		_, seen := f.heldUp(wrong, false)
		switch {
		case holds:
			s.true[f.tier]++
			s.true[f.rule]++
		default:
			blameless = append(blameless, f)
			if f.tier == "A" {
				s.tierA = append(s.tierA, f.rule)
			}
		}
		if !f.reviewed.IsZero() {
			s.reviewed++
			if seen {
				s.right++
			}
		}
	}
	for i := range labels {
		t := s.scenarios[labels[i].Scenario]
		t.add(judge(&labels[i], sets[i], findings, blameless))
		s.scenarios[labels[i].Scenario] = t
	}
	return s
}

// judge is one label: an incident is found where an anomaly has one of its events, a twin is a false alarm where an
// anomaly without any incident has.
func judge(l *sim.Label, events map[int64]bool, findings, blameless []*finding) tally {
	t := tally{}
	if l.Kind == sim.Twin {
		t.twins, t.alarms = 1, map[string]int{}
		for _, f := range blameless {
			if _, ok := f.heldUp(events, true); ok {
				t.falseTwins, t.alarms[f.rule] = 1, 1
			}
		}
		return t
	}
	t.incidents = 1
	var first time.Time
	for _, f := range findings {
		if at, ok := f.heldUp(events, true); ok && (first.IsZero() || at.Before(first)) {
			first = at
		}
		if _, ok := f.heldUp(events, false); ok {
			t.reviewed = 1
		}
	}
	if !first.IsZero() {
		t.found, t.delays = 1, []time.Duration{first.Sub(l.FirstAt)}
	}
	if l.Stealth == sim.UnderCounters {
		t.quiet, t.quietFound = 1, t.found
	}
	return t
}

// desk gives every day's end to a reviewer who comes to so many anomalies a day, in the order of the queue.
type desk struct {
	budget   float64 // a day
	owed     float64
	findings map[string]*finding // by anomaly
	open     []string
}

// day closes what the reviewer comes to today and says which.
func (r *desk) day(end time.Time) []string {
	slices.SortStableFunc(r.open, func(a, b string) int {
		x, y := r.findings[a], r.findings[b]
		return cmp.Or(cmp.Compare(x.rank, y.rank), x.made.Compare(y.made), cmp.Compare(a, b))
	})
	r.owed = min(r.owed+r.budget, r.budget+1) // what is not used today is lost, but for a fraction
	n := min(len(r.open), int(r.owed))
	r.owed -= float64(n)
	done := r.open[:n:n]
	r.open = r.open[n:]
	for _, id := range done {
		r.findings[id].reviewed = end
	}
	return done
}

// wilson is the 95 % interval of a share (Wilson 1927), in which n of none is anything.
func wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964
	p, m := float64(k)/float64(n), float64(n)
	mid, half := p+z*z/(2*m), z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, (mid-half)/(1+z*z/m)), min(1, (mid+half)/(1+z*z/m))
}

func share(k, n int) float64 {
	if n == 0 {
		return 0
	}
	return float64(k) / float64(n)
}

// ofTiers sums a history's scenarios.
func (s scored) ofTiers(tiers string) tally {
	var t tally
	for name, one := range s.scenarios {
		if slices.Contains([]byte(tiers), tierOf[name][0]) {
			t.add(one)
		}
	}
	return t
}

// spreadOf is the largest minus the smallest of one figure over histories, over its value.
func spreadOf(all []scored, value float64, of func(scored) float64) float64 {
	var list []float64
	for _, s := range all {
		list = append(list, of(s))
	}
	if len(list) == 0 || value == 0 {
		return 0
	}
	return (slices.Max(list) - slices.Min(list)) / value
}

// seedsSay is the range of a figure over the histories.
func seedsSay(all []scored, of func(scored) float64) string {
	var list []float64
	for _, s := range all {
		list = append(list, of(s))
	}
	return fmt.Sprintf("by seed %.2f to %.2f", slices.Min(list), slices.Max(list))
}
