package clinic

// campaigns are days on which a whole role of a clinic works through a list: nurses call patients to come again, the
// records office audits charts for a registry.
func (g *gen) campaigns() {
	g.roll = newDice(g.cfg.Seed, "campaigns")
	for t := range g.h.Tenants {
		for from := 25; from+8 < g.cfg.Days; from += 30 {
			d := g.workday(from + g.roll.IntN(5))
			if len(g.team(t, nurse)) > 1 {
				g.recall(t, d)
			}
			if len(g.team(t, records)) > 1 {
				g.registry(t, g.workday(d+3))
			}
		}
	}
}

// workday is the first day from d on that is no Saturday or Sunday.
func (g *gen) workday(d int) int {
	for g.h.time(micro(d)*day).Weekday()%6 == 0 {
		d++
	}
	return d
}

// recall: the portal books the calls two days ahead.
func (g *gen) recall(tenant, d int) {
	by := g.accounts[tenant][portal]
	for _, m := range g.team(tenant, nurse) {
		who := &g.h.members[m]
		from, to, ok := g.hours(who, micro(d)*day+17*hour, 0)
		if !ok || who.shift.to > 24*60 {
			continue
		}
		g.h.campaigns[[2]int{m, d}] = true
		for range g.roll.count(12, 22) {
			id := g.everyone[tenant].draw(g.roll)
			c := &g.h.charts[id]
			at := g.roll.span(from+20*minute, to-20*minute)
			known := at - 2*day + g.roll.span(-3*hour, 3*hour)
			if c.person == who.user || g.h.rows[c.row].created > known {
				continue
			}
			a := g.add(row{table: appointments, tenant: tenant, chart: id, provider: who.user,
				author: g.h.members[by].user, encounter: -1, at: at, until: never, created: known})
			c.bookings = append(c.bookings, a)
			g.create(by, known, a)
			g.view(m, at, treatment, append(g.pages(id, at, 1, 0), a)...)
		}
	}
}

func (g *gen) registry(tenant, d int) {
	for _, m := range g.team(tenant, records) {
		from, to, ok := g.hours(&g.h.members[m], micro(d)*day+17*hour, 0)
		if !ok {
			continue
		}
		g.h.campaigns[[2]int{m, d}] = true
		for range g.roll.count(20, 35) {
			g.audit(m, g.roll.span(from+minute, to-30*minute))
		}
	}
}
