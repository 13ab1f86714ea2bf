package bench

import (
	"math"
	"slices"
	"testing"
	"time"

	sim "github.com/ward-health/ward/internal/clinic"
)

var aDay = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

func on(day int) time.Time { return aDay.AddDate(0, 0, day) }

// anomaly is a finding with evidence from the day it was made.
func anomaly(rule string, rank, made int, events ...int64) *finding {
	f := &finding{rule: rule, tier: rule[:1], rank: rank, made: on(made), evidence: map[int64]time.Time{}}
	for _, e := range events {
		f.evidence[e] = on(made)
	}
	return f
}

func label(scenario, kind string, events ...int64) sim.Label {
	return sim.Label{Scenario: scenario, Kind: kind, FirstAt: aDay, EventIDs: events}
}

// What the five words mean: found, reviewed, false twin, right, and tier A without an incident.
func TestScore(t *testing.T) {
	found := anomaly("B01", 3, 2, 1, 2)
	late := anomaly("B01", 3, 1, 50)
	late.reviewed, late.evidence[11] = on(1), on(4) // the incident's event came after the review
	both := anomaly("C01", 3, 1, 20, 21)
	both.reviewed = on(1)
	twin := anomaly("B03", 2, 1, 30)
	wrong := anomaly("A05", 1, 1, 99)
	s := score([]sim.Label{
		label(sim.Snooper, sim.Incident, 1, 2, 3), label(sim.Snooper, sim.Incident, 11),
		label(sim.BulkReader, sim.Incident, 20), label(sim.BulkReader, sim.Incident, 77),
		label(sim.BulkReader, sim.Twin, 21), label(sim.Emergency, sim.Twin, 30), label(sim.Emergency, sim.Twin, 31),
	}, []*finding{found, late, both, twin, wrong}, 1000)
	snoop, bulk, emergency := s.scenarios[sim.Snooper], s.scenarios[sim.BulkReader], s.scenarios[sim.Emergency]
	if snoop.incidents != 2 || snoop.found != 2 || snoop.reviewed != 0 {
		t.Errorf("an incident in an anomaly is found, and reviewed only where its event was there by then: %+v", snoop)
	}
	if len(snoop.delays) != 2 || snoop.delays[0] != 48*time.Hour || snoop.delays[1] != 96*time.Hour {
		t.Errorf("a delay is from the incident's start to the day its event was there: %v", snoop.delays)
	}
	if bulk.incidents != 2 || bulk.found != 1 || bulk.reviewed != 1 || bulk.twins != 1 || bulk.falseTwins != 0 {
		t.Errorf("a twin beside an incident is no false alarm: %+v", bulk)
	}
	if emergency.twins != 2 || emergency.falseTwins != 1 || emergency.alarms["B03"] != 1 {
		t.Errorf("a twin in an anomaly without an incident is one: %+v", emergency)
	}
	if s.true["B"] != 2 || s.anomalies["B"] != 3 || s.true["C01"] != 1 || s.reviewed != 2 || s.right != 1 ||
		!slices.Equal(s.tierA, []string{"A05"}) {
		t.Errorf("precision: %+v", s)
	}
}

// A reviewer comes to so many a day, the worst first, then the oldest; what is not used is lost.
func TestDesk(t *testing.T) {
	d := desk{budget: 1.5, findings: map[string]*finding{"low": anomaly("C06", 4, 0), "old": anomaly("B01", 3, 0),
		"new": anomaly("B01", 3, 1), "worst": anomaly("A01", 1, 1)}}
	for id := range d.findings {
		d.open = append(d.open, id)
	}
	if got := d.day(on(1)); !slices.Equal(got, []string{"worst"}) {
		t.Errorf("first day: %v", got)
	}
	if got := d.day(on(2)); !slices.Equal(got, []string{"old", "new"}) || !d.findings["old"].reviewed.Equal(on(2)) {
		t.Errorf("second day: %v", got)
	}
	d.day(on(3))
	for i := range 5 {
		d.day(on(4 + i))
	}
	for id := range d.findings {
		d.open = append(d.open, id)
	}
	if got := d.day(on(9)); len(got) > 2 {
		t.Errorf("five idle days are no credit: %v", got)
	}
}

// What rules were tuned on is not what they are scored on, and every scenario has its tier.
func TestSeedsAndTiers(t *testing.T) {
	if len(scoringSeeds) < 5 {
		t.Errorf("%d seeds", len(scoringSeeds))
	}
	for _, seed := range scoringSeeds {
		if slices.Contains(TuningSeeds, seed) {
			t.Errorf("seed %d is one that rules were tuned on", seed)
		}
	}
	for _, s := range sim.Scenarios() {
		if tierOf[s] == "" {
			t.Errorf("scenario %s has no tier", s)
		}
	}
}

func TestWilson(t *testing.T) {
	for _, v := range []struct {
		k, n      int
		low, high float64
	}{{0, 10, 0, 0.2775}, {5, 10, 0.2366, 0.7634}, {10, 10, 0.7225, 1}, {0, 0, 0, 1}} {
		if low, high := wilson(v.k, v.n); math.Abs(low-v.low) > 0.0001 || math.Abs(high-v.high) > 0.0001 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", v.k, v.n, low, high, v.low, v.high)
		}
	}
}

// Every figure is printed as synthetic, and the targets are the promised ones: a tier A of 1, a clean history, B and C
// at the budget, twins.
func TestFiguresSaySynthetic(t *testing.T) {
	dirty := score([]sim.Label{label(sim.CrossTenant, sim.Incident, 1), label(sim.Snooper, sim.Incident, 2),
		label(sim.Snooper, sim.Twin, 3)}, []*finding{anomaly("A02", 1, 1, 1), anomaly("B01", 3, 1, 3)}, 1000)
	clean := score(nil, []*finding{anomaly("A05", 1, 1, 9)}, 1000)
	met := map[string]bool{}
	for _, f := range figures([]scored{dirty}, []scored{clean}) {
		if !slices.Contains([]string{"(synthetic)"}, f.Figure[len(f.Figure)-len("(synthetic)"):]) {
			t.Errorf("%s does not say that it is synthetic", f.Figure)
		}
		if f.Target > 0 {
			met[f.Figure] = f.Met
		}
	}
	want := map[string]bool{"recall, tier A (synthetic)": true,
		"recall, tier B and C, at 20 a day for 1,000 users (synthetic)": false,
		"benign twins left alone (synthetic)":                           false,
		"clean histories without tier A (synthetic)":                    false}
	for name, m := range want {
		if got, ok := met[name]; !ok || got != m {
			t.Errorf("%s: met %t, there %t", name, got, ok)
		}
	}
	if len(met) != len(want) {
		t.Errorf("targets: %v", met)
	}
}
