package clinic

import "slices"

// crossTenant: ids of another clinic, or nobody's, that the database finds afterwards to be none of this clinic's.
func (g *gen) crossTenant() {
	for i, v := range []struct {
		role  string
		table table
		dose  int
	}{{frontDesk, patients, 3}, {billing, patients, 5}, {nurse, encounters, 9}, {clinician, notes, 18}} {
		m := g.pick(i, v.role)
		t, ok := g.moment(m, hour)
		if !ok {
			continue
		}
		g.begin(CrossTenant, Incident, m, v.dose,
			"ids of another clinic's "+tableNames[v.table]+" tried within 45 minutes")
		other := (g.h.members[m].tenant + 1 + g.roll.IntN(len(g.h.Tenants)-1)) % len(g.h.Tenants)
		seen := map[int]bool{}
		for len(seen) < v.dose {
			r := g.anyOf(other, v.table, t-day)
			if seen[r] {
				continue
			}
			seen[r] = true
			g.deny(m, t, g.purposeOf(m), r)
			t += g.roll.span(10*second, 45*minute/micro(v.dose+1))
		}
		g.finish()
	}
	for i, role := range []string{frontDesk, nurse, clinician} {
		m := g.pick(i+1, role)
		t, ok := g.moment(m, hour)
		if !ok {
			continue
		}
		g.begin(CrossTenant, Twin, m, 1, "one id mistyped: it is nobody's")
		g.mistype(m, t, g.purposeOf(m))
		g.finish()
	}
}

// mistype is a view of an id that stands for no record.
func (g *gen) mistype(m int, t micro, purpose string) micro {
	r := g.add(row{table: patients, tenant: g.h.members[m].tenant, provider: -1, author: -1, encounter: -1,
		created: -day, nobody: true})
	g.deny(m, t, purpose, r)
	return t + g.roll.span(5*second, 30*second)
}

// deny is a view of an id that is none of the clinic's: recorded as asked for, then, when the worker has looked whose
// it is, as denied.
func (g *gen) deny(m int, t micro, purpose string, r int) {
	e := event{at: t, member: m, action: "view", table: g.h.rows[r].table, row: r, purpose: purpose, ask: g.ask(t),
		subject: g.h.rows[r].table == patients, cause: -1}
	if e.cause = g.put(e); e.cause >= 0 {
		e.at += g.roll.span(second, 3*second)
		e.denied, e.subject = true, false
		g.put(e)
	}
}

func (g *gen) purposeOf(m int) string {
	switch g.h.members[m].role {
	case clinician, nurse:
		return treatment
	case billing:
		return payment
	}
	return operations
}

// affiliated labels a day on which somebody works in two clinics: the events are ordinary and there already.
func (g *gen) affiliated() {
	for i := range g.h.members {
		m := &g.h.members[i]
		if m.role == service || !g.twice(m.user) || g.h.first(m.user) == i {
			continue
		}
		first := g.h.first(m.user)
		lo, hi := g.between()
		for d := lo; d <= hi; d++ {
			if g.loads[i] == nil || g.loads[first] == nil || len(g.loads[i].byDay[d]) == 0 ||
				len(g.loads[first].byDay[d]) == 0 {
				continue
			}
			g.begin(CrossTenant, Twin, i, len(g.loads[i].byDay[d])+len(g.loads[first].byDay[d]),
				"records of two clinics in a day, each under its own membership")
			for k := range g.h.events {
				if e := &g.h.events[k]; (e.member == i || e.member == first) && int(e.at/day) == d {
					e.label, g.happened = g.current, true
				}
			}
			g.finish()
			break
		}
	}
}

// terminated: who still comes in after HR's last day. The records are of their own patients and claims, so that the day
// alone is the sign.
func (g *gen) terminated() {
	doses, n := []int{2, 5, 12}, 0
	for i := range g.h.members {
		switch m := &g.h.members[i]; m.leaver {
		case leavesAbusing:
			own := g.ownPatients(m.user, m.tenant, g.h.micro(m.ended))
			dose := min(doses[n%len(doses)], len(own))
			n++
			if dose == 0 {
				continue
			}
			g.begin(Terminated, Incident, i, dose, "patients opened after HR's last day, before the termination")
			t := g.h.micro(m.ended) + day + g.roll.span(14*hour, 20*hour)
			for k := range dose {
				g.view(i, t, g.purposeOf(i), g.h.charts[own[k]].row)
				t += g.roll.span(20*second, 9*minute)
				if k == dose/2 {
					t += day
				}
			}
		case leavesLate:
			g.begin(Terminated, Twin, i, 0, "left; the termination came days after HR's last day, no access in between")
			g.claim(i, m.last)
		case leavesSame:
			g.begin(Terminated, Twin, i, 0, "left; terminated on HR's last day, after the last access")
			g.claim(i, m.last)
		default:
			continue
		}
		g.finish()
	}
}

// claim labels a member's ordinary events of the last day before a time on which there are any.
func (g *gen) claim(member int, before micro) {
	found := false
	for from := before - day; !found && from > before-15*day; from -= day {
		for i := range g.h.events {
			if e := &g.h.events[i]; e.member == member && from <= e.at && e.at < before {
				e.label, found, g.happened = g.current, true, true
			}
		}
	}
}

// ownPatients lists charts that rows of the user's own tie to them in the fortnight before t.
func (g *gen) ownPatients(user, tenant int, t micro) []int {
	var out []int
	for i := range g.h.rows {
		r := &g.h.rows[i]
		if r.tenant != tenant || r.provider != user || r.table != appointments && r.table != claims ||
			r.until < never || r.created > t || r.at < t-14*day || r.at > t {
			continue
		}
		if !slices.Contains(out, r.chart) {
			out = append(out, r.chart)
		}
	}
	return out
}
