package clinic

import (
	"cmp"
	"slices"
)

// office is the medical records office: what patients request, and the chart audits.
func (g *gen) office() {
	g.roll = newDice(g.cfg.Seed, "office")
	g.indexAudits()
	for t := range g.h.Tenants {
		for _, m := range g.team(t, records) {
			for d := range g.cfg.Days {
				from, to, ok := g.hours(&g.h.members[m], micro(d)*day+17*hour, 0)
				if !ok || to-from < 2*hour {
					continue
				}
				for range g.roll.about(2 * g.officeLoad()) {
					g.release(m, g.everyone[t].draw(g.roll), g.roll.span(from+minute, to-30*minute))
				}
				for range g.roll.about((5 + 3*g.roll.Float64()) * g.officeLoad()) {
					g.audit(m, g.roll.span(from+minute, to-30*minute))
				}
			}
		}
	}
}

// officeLoad follows the visits: one where a clinician sees seven patients or more in a full day.
func (g *gen) officeLoad() float64 { return min(1, g.rate/7) }

// release exports a patient's own records after the patient asked for them by message.
func (g *gen) release(m, id int, t micro) {
	c := &g.h.charts[id]
	sent := t - g.roll.span(3*hour, 6*day)
	if sent < g.h.rows[c.row].created {
		return
	}
	in := g.message(m, id, sent, true)
	g.byOthers(func() { g.create(g.accounts[c.tenant][portal], sent, in) })
	t = g.view(m, t, patientRequest, in)
	g.export(m, t+g.roll.span(second, 9*minute), patientRequest, g.pages(id, t, 4, 6)...)
}

// audit looks at a recent encounter for completeness.
func (g *gen) audit(m int, t micro) {
	if recent := g.recent(g.h.members[m].tenant, t); len(recent) > 0 {
		g.auditOne(m, t, one(g.roll, recent))
	}
}

func (g *gen) auditOne(m int, t micro, e int) {
	c := &g.h.charts[g.h.rows[e].chart]
	pages := []int{e}
	for _, n := range c.notes {
		if g.h.rows[n].encounter == e {
			pages = append(pages, n)
		}
	}
	g.view(m, t, operations, pages...)
}

func (g *gen) indexAudits() {
	g.audits = make([][]int, len(g.h.Tenants))
	for i := range g.h.rows {
		if r := &g.h.rows[i]; r.table == encounters {
			g.audits[r.tenant] = append(g.audits[r.tenant], i)
		}
	}
	for _, list := range g.audits {
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(g.h.rows[a].until, g.h.rows[b].until) })
	}
}

// recent lists a clinic's encounters that ended 3 to 40 days before t; all of them are known by then.
func (g *gen) recent(tenant int, t micro) []int {
	list := g.audits[tenant]
	place := func(x micro) int {
		i, _ := slices.BinarySearchFunc(list, x, func(r int, x micro) int { return cmp.Compare(g.h.rows[r].until, x) })
		return i
	}
	return list[place(t-40*day):place(t-3*day)]
}
