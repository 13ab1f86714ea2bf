package clinic

import "time"

// nights are the calls that come when the clinics are closed, from half past eight in the evening to six, clinic's
// time: patients write through the portal, and the clinician on call or the nurse of the night answers, opens the
// chart, and records the encounter. A clinician on call may open a stranger's chart as an emergency.
func (g *gen) nights() {
	g.roll = newDice(g.cfg.Seed, "nights")
	for t := range g.h.Tenants {
		team := g.atStart(t, clinician)
		for d := range g.cfg.Days {
			calls := g.roll.about(min(6, 0.02*float64(len(g.staff[t]))))
			for range calls {
				at := g.clock(t, d, 20*60+30) + g.roll.span(0, 9*hour+20*minute)
				if m := g.onCall(t, team, d, at); m >= 0 {
					g.nightCall(m, g.everyone[t].draw(g.roll), at)
				}
			}
		}
	}
}

// clock is a minute of the clinic's local day, by its clock, on the day that has 17 hours UTC of the history's day d in
// it.
func (g *gen) clock(tenant, d, minutes int) micro {
	zone := g.h.Tenants[tenant].Zone
	y, mon, md := g.h.time(micro(d)*day + 17*hour).In(zone).Date()
	return g.h.micro(time.Date(y, mon, md, 0, minutes, 0, 0, zone))
}

// onCall is the nurse who works that night, or the clinician whose week it is; -1: nobody.
func (g *gen) onCall(tenant int, team []int, d int, at micro) int {
	if g.roll.chance(0.5) {
		for _, n := range g.team(tenant, nurse) {
			if m := &g.h.members[n]; m.shift.to > 24*60 && g.working(m, at) {
				return n
			}
		}
	}
	for i := range team {
		m := &g.h.members[team[(d/7+i)%len(team)]]
		if at > m.started && at+12*hour < m.last && (at < m.shift.away[0] || at > m.shift.away[1]) {
			return team[(d/7+i)%len(team)]
		}
	}
	return -1
}

func (g *gen) nightCall(m, id int, at micro) {
	c := &g.h.charts[id]
	user := g.h.members[m].user
	if c.person == user || g.h.rows[c.row].created > at {
		return
	}
	purpose := treatment
	if g.h.members[m].role == clinician && !g.related[[2]int{user, id}] && g.roll.chance(0.12) {
		purpose = breakGlass
	}
	in := g.message(m, id, at, true)
	g.byOthers(func() { g.create(g.accounts[c.tenant][portal], at, in) })
	t := g.view(m, at+g.roll.span(2*minute, 20*minute), purpose, append(g.pages(id, at, 1, 2), in)...)
	until := t + g.roll.span(5*minute, 25*minute)
	known := until + g.roll.span(2*minute, 40*minute)
	e := g.add(row{table: encounters, tenant: c.tenant, chart: id, provider: user, author: user, encounter: -1, at: t,
		until: until, created: known})
	c.encounters = append(c.encounters, e)
	n := g.add(row{table: notes, tenant: c.tenant, chart: id, provider: user, author: -1, encounter: e,
		created: g.create(m, known, e), until: never})
	c.notes = append(c.notes, n)
	g.create(m, g.h.rows[n].created, n)
}
