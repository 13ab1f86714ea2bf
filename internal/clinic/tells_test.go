package clinic

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// column is something that a rule can see of an event, as a class or as a number.
type column struct {
	name   string
	class  func(h *History, i int, v []any) string
	number func(h *History, i int, v []any) float64
}

// What the events look like must not give the injected ones away: no id, place, time's digits or column of theirs
// separates them from the ordinary ones. What they do may, that is what rules look for; so a column that says what was
// done (a denial, an export, an emergency) must only have ordinary events of each kind too.
var tells = []column{
	{name: "event id modulo 10", class: func(_ *History, i int, _ []any) string { return fmt.Sprint(i % 10) }},
	{name: "source", class: func(_ *History, _ int, v []any) string { return fmt.Sprint(v[len(v)-1]) }},
	{name: "session", class: func(h *History, i int, _ []any) string { return fmt.Sprint(h.events[i].session >= 0) }},
	{name: "disclosure", class: func(h *History, i int, _ []any) string { return fmt.Sprint(h.events[i].ask >= 0) }},
	{name: "purpose", class: func(h *History, i int, _ []any) string { return h.events[i].purpose }},
	{name: "outcome", class: func(h *History, i int, _ []any) string { return fmt.Sprint(h.events[i].denied) }},
	{name: "action and table", class: func(h *History, i int, _ []any) string {
		return fmt.Sprint(h.events[i].action, h.events[i].table)
	}},
	{name: "weekday",
		class: func(h *History, i int, _ []any) string { return h.time(h.events[i].at).Weekday().String() }},
	{name: "version of the record's id",
		class: func(h *History, i int, _ []any) string { return fmt.Sprint(h.rows[h.events[i].row].id.Version()) }},
	{name: "first byte of the record's id",
		number: func(h *History, i int, _ []any) float64 { return float64(h.rows[h.events[i].row].id[0]) }},
	{name: "microseconds",
		number: func(h *History, i int, _ []any) float64 { return float64(h.events[i].at % second) }},
	{name: "seconds",
		number: func(h *History, i int, _ []any) float64 { return float64(h.events[i].at / second % 60) }},
	{name: "hour", number: func(h *History, i int, _ []any) float64 { return float64(h.events[i].at % day / hour) }},
	{name: "since the event before it",
		number: func(h *History, i int, _ []any) float64 { return float64(h.events[i].in - h.events[max(i-1, 0)].in) }},
	{name: "late by",
		number: func(h *History, i int, _ []any) float64 { return float64(h.events[i].in - h.events[i].at) }},
}

func TestNothingGivesTheInjectedAway(t *testing.T) {
	h := Generate(Config{Seed: 3, Now: testNow, Clinics: 6, Staff: 200, Patients: 3000, Days: 70, Events: 60_000})
	ids := h.ordinals()
	injected, rest := 0, 0
	values := map[int][]any{}
	for i := range h.events {
		if h.events[i].row < 0 {
			continue
		}
		values[i] = h.eventValues(i, ids)
		if h.incident(i) {
			injected++
		} else {
			rest++
		}
	}
	if injected < 500 || rest < 20*injected {
		t.Fatalf("%d injected events among %d", injected, rest)
	}
	for _, c := range tells {
		if c.class != nil {
			h.separatesByClass(t, c, values, rest)
		} else if d := h.kolmogorov(c, values); d > 0.35 {
			t.Errorf("%s separates injected events from the others: their distributions lie %.2f apart", c.name, d)
		}
	}
}

// incident: the event is misbehaviour, not a twin's.
func (h *History) incident(i int) bool {
	l := h.events[i].label
	return l >= 0 && h.labels[l].Kind == Incident
}

// separatesByClass: no class that injected events have is theirs for the most part.
func (h *History) separatesByClass(t *testing.T, c column, values map[int][]any, rest int) {
	t.Helper()
	in, out := map[string]int{}, map[string]int{}
	for i, v := range values {
		if h.incident(i) {
			in[c.class(h, i, v)]++
		} else {
			out[c.class(h, i, v)]++
		}
	}
	for class, n := range in {
		if n >= 5 && float64(n) > 0.8*float64(n+out[class]) {
			t.Errorf("%s %q: %d injected events and %d others", c.name, class, n, out[class])
		}
	}
	if len(in) == 0 || rest == 0 {
		t.Errorf("%s has no class", c.name)
	}
}

// kolmogorov is the largest distance between the two distributions of a number: 0 where they are the same, 1 where one
// value separates them.
func (h *History) kolmogorov(c column, values map[int][]any) float64 {
	var in, out []float64
	for i, v := range values {
		if h.incident(i) {
			in = append(in, c.number(h, i, v))
		} else {
			out = append(out, c.number(h, i, v))
		}
	}
	slices.Sort(in)
	slices.Sort(out)
	worst := 0.0
	for k, x := range in {
		if k+1 < len(in) && in[k+1] == x {
			continue
		}
		below, _ := slices.BinarySearch(out, math.Nextafter(x, math.Inf(1)))
		worst = max(worst, math.Abs(float64(k+1)/float64(len(in))-float64(below)/float64(len(out))))
	}
	return worst
}

// The records' order in their tables says nothing either: what belongs to an incident or a twin is not behind the rest.
func TestRecordsAreInOrderOfTime(t *testing.T) {
	h := Generate(small(3))
	for tab, list := range h.byTable() {
		if len(list) == 0 {
			t.Errorf("no records of %s", tableNames[tab])
		}
		if !slices.IsSortedFunc(list,
			func(a, b int) int { return int(min(1, max(-1, h.rows[a].created-h.rows[b].created))) }) {
			t.Errorf("the records of %s are not in order of time", tableNames[tab])
		}
	}
}
