package clinic

import (
	"slices"
	"testing"
)

// explainer judges accesses by the package comment's criteria, from the rows alone: what review.relationship keeps, and
// nothing that the generator knows.
type explainer struct {
	h      *History
	own    map[[2]int][]*row // user, chart
	clinic map[int][]*row    // chart: appointments and encounters with anybody
	covers map[int][]*cover  // by the one who covers
}

func newExplainer(h *History) *explainer {
	x := &explainer{h: h, own: map[[2]int][]*row{}, clinic: map[int][]*row{}, covers: map[int][]*cover{}}
	for i := range h.covers {
		x.covers[h.covers[i].user] = append(x.covers[h.covers[i].user], &h.covers[i])
	}
	for i := range h.rows {
		r := &h.rows[i]
		tied := r.table == appointments || r.table == encounters || r.table == claims || r.table == careTeam ||
			r.table == messages && r.fromPatient
		if !tied || !h.loadable(r) {
			continue
		}
		x.own[[2]int{r.provider, r.chart}] = append(x.own[[2]int{r.provider, r.chart}], r)
		if r.table == appointments || r.table == encounters {
			x.clinic[r.chart] = append(x.clinic[r.chart], r)
		}
	}
	return x
}

func treats(r *row, user int, t micro) bool {
	switch r.table {
	case appointments:
		return r.author != user && r.created <= t && r.at >= t-30*day && r.at <= t+14*day && r.until >= t-day
	case encounters:
		return (r.author != user || r.created <= t) && r.created <= t+48*hour && r.at <= t+2*day && r.until >= t-30*day
	case messages:
		return r.at <= t && r.at >= t-30*day
	case careTeam:
		return r.author != user && r.created <= t && r.at <= t
	}
	return false
}

func (x *explainer) explains(e *event) bool {
	m := &x.h.members[e.member]
	chart := x.h.rows[e.row].chart
	own, any := x.own[[2]int{m.user, chart}], x.clinic[chart]
	in := func(list []*row, fits func(*row) bool) bool {
		return slices.ContainsFunc(list, func(r *row) bool { return r.tenant == m.tenant && fits(r) })
	}
	switch m.role {
	case clinician, nurse:
		// what a colleague did, recorded for them
		if r := &x.h.rows[e.row]; e.action == "create" && r.table == encounters && r.author == m.user {
			return true
		}
		return (e.purpose == treatment || e.purpose == breakGlass || e.purpose == "") &&
			(in(own, func(r *row) bool { return treats(r, m.user, e.at) }) || x.covered(m, chart, e.at))
	case frontDesk:
		return e.table <= appointments && in(any, func(r *row) bool {
			return r.table == appointments && r.created <= e.at+hour && r.at >= e.at-7*day && r.at <= e.at+30*day
		})
	case billing:
		return (e.purpose == payment || e.purpose == "") &&
			in(own, func(r *row) bool { return r.table == claims && r.at <= e.at && r.at >= e.at-60*day })
	case records:
		if e.purpose == patientRequest {
			return in(own, func(r *row) bool { return r.table == messages && r.at <= e.at && r.at >= e.at-14*day })
		}
		return e.purpose == operations &&
			in(any, func(r *row) bool { return r.table == encounters && r.created <= e.at && r.until >= e.at-45*day })
	}
	return x.declared(e, m)
}

// covered: the roster says that the member stands in for somebody whose patient it is.
func (x *explainer) covered(m *member, chart int, t micro) bool {
	return slices.ContainsFunc(x.covers[m.user], func(c *cover) bool {
		return c.tenant == m.tenant && c.author != m.user && c.known <= t && c.from <= t && t < c.to &&
			slices.ContainsFunc(x.own[[2]int{c.covered, chart}], func(r *row) bool {
				return r.tenant == m.tenant && r.author != m.user && r.author != c.covered && treats(r, c.covered, t)
			})
	})
}

func (x *explainer) declared(e *event, m *member) bool {
	hourOf := x.h.time(e.at).Hour()
	for i, s := range services {
		if s.slug != x.h.Users[m.user].Slug || s.largestOnly && m.tenant != 0 {
			continue
		}
		return slices.ContainsFunc(services[i].declared, func(d declaration) bool {
			return d.action == e.action && d.table == e.table && d.from <= hourOf && hourOf < d.to
		})
	}
	return false
}

// Of these incidents, accesses are unexplained, or the scenarios are empty; a snooper's are all.
var unexplainable = []string{Snooper, ServiceOffList, ForeignLog, NoRight, FormerPatient, Emergency, VoidedVisit, Crowd,
	OwnChart, Coworker, Dormant, Exporter}

// Everything else is explained, twins included.
func TestOrdinaryAccessesAreExplained(t *testing.T) {
	for _, cfg := range []Config{{Seed: 1, Now: testNow}, small(7), small(8),
		{Seed: 9, Now: testNow, Clean: true, Events: 60_000}} {
		h := Generate(cfg)
		x := newExplainer(h)
		checked := map[string]int{}
		unexplained, seen := map[int]int{}, map[int]int{} // by label
		for i := range h.events {
			e := &h.events[i]
			if e.row < 0 || e.denied || h.rows[e.row].nobody || h.rows[e.row].tenant != h.members[e.member].tenant {
				continue
			}
			checked[h.members[e.member].role+" "+e.action]++
			seen[e.label]++
			if x.explains(e) {
				continue
			}
			if e.label < 0 || h.labels[e.label].Kind == Twin ||
				!slices.Contains(unexplainable, h.labels[e.label].Scenario) {
				t.Fatalf("seed %d: event %d is not explained: %s by %s of %s, purpose %q, %s (label %d)", cfg.Seed, i+1,
					e.action, h.members[e.member].role, tableNames[e.table], e.purpose, h.time(e.at), e.label)
			}
			unexplained[e.label]++
		}
		for _, want := range []string{"clinician view", "clinician create", "nurse view", "front_desk view",
			"front_desk create", "billing view", "records export", "records view", "service create", "service export"} {
			if checked[want] < 50 {
				t.Errorf("seed %d: %d events of %s were checked", cfg.Seed, checked[want], want)
			}
		}
		for i, l := range h.labels {
			if l.Kind != Incident {
				continue
			}
			if l.Scenario == Snooper && unexplained[i] < seen[i] ||
				slices.Contains(unexplainable[:2], l.Scenario) && unexplained[i] == 0 {
				t.Errorf("seed %d: of the %d accesses of the %s %s, %d are explained", cfg.Seed, seen[i], l.Scenario,
					l.Actor, seen[i]-unexplained[i])
			}
		}
	}
}

// By HR's date in UTC, and by the ids tried: only the incidents do it.
func TestOnlyIncidentsBreakTheInvariants(t *testing.T) {
	for _, cfg := range []Config{{Seed: 1, Now: testNow}, small(10), {Seed: 1, Now: testNow, Clean: true}} {
		h := Generate(cfg)
		late, tried := map[int]int{}, map[int]map[int]bool{}
		for i := range h.events {
			e := &h.events[i]
			m := &h.members[e.member]
			if !m.ended.IsZero() && !h.time(e.at).Before(m.ended.AddDate(0, 0, 1)) && e.row >= 0 {
				late[e.label]++
			}
			if e.denied && !h.rows[e.row].nobody {
				if tried[e.label] == nil {
					tried[e.label] = map[int]bool{}
				}
				tried[e.label][e.row] = true
			}
		}
		for i, l := range h.labels {
			if l.Kind == Incident && l.Scenario == Terminated && late[i] == 0 ||
				l.Kind == Incident && l.Scenario == CrossTenant && len(tried[i]) < 3 {
				t.Errorf("seed %d: the incident %s of %s is empty", cfg.Seed, l.Scenario, l.Actor)
			}
			if l.Kind == Incident {
				delete(late, i)
				delete(tried, i)
			}
		}
		if len(late) > 0 || len(tried) > 0 {
			t.Errorf("seed %d: outside the incidents, labels with accesses after the last day %v, "+
				"with another clinic's ids %v", cfg.Seed, late, tried)
		}
		if cfg.Clean && len(h.labels) > 0 {
			t.Errorf("a clean history has %d labels", len(h.labels))
		}
	}
}

// The days of bulk readers stand out from their own and their peers'; nobody else's do.
func TestBulkReadersStandOut(t *testing.T) {
	for _, cfg := range []Config{{Seed: 1, Now: testNow}, {Seed: 2, Now: testNow},
		{Seed: 1, Now: testNow, Clean: true}} {
		h := Generate(cfg)
		g := &gen{h: h, roll: newDice(0, "")}
		g.measure()
		labelled := map[[2]int]bool{}
		bulk := map[int][]*Label{}
		for i := range h.events {
			e := &h.events[i]
			if e.label < 0 {
				continue
			}
			labelled[[2]int{e.member, int(e.at / day)}] = true
			if l := &h.labels[e.label]; l.Scenario == BulkReader && !slices.Contains(bulk[e.member], l) {
				bulk[e.member] = append(bulk[e.member], l)
			}
		}
		if len(bulk) < 4 && !cfg.Clean {
			t.Errorf("seed %d: %d bulk readers and twins", cfg.Seed, len(bulk))
		}
		worst := map[string]float64{}
		for m, l := range g.loads {
			usual := max(float64(g.usual(m)), 3)
			for _, label := range bulk[m] {
				if ratio := float64(label.Dose) / usual; ratio < 5 || ratio > 12 {
					t.Errorf("seed %d: bulk %s %s has %d patients, usually %.0f", cfg.Seed, label.Kind, label.Actor,
						label.Dose, usual)
				}
			}
			for d, set := range l.byDay {
				if l.role != service && !labelled[[2]int{m, d}] && !h.campaigns[[2]int{m, d}] && len(set) >= 25 {
					worst[l.role] = max(worst[l.role], float64(len(set))/usual)
				}
			}
		}
		t.Logf("seed %d clean %v: the largest ordinary day, in medians: %v", cfg.Seed, cfg.Clean, worst)
		for role, w := range worst {
			if w > 4 {
				t.Errorf("seed %d: an ordinary day of a %s has %.1f times the median", cfg.Seed, role, w)
			}
		}
	}
}
