package clinic

// cover is a line of the roster: who stands in for whom.
type cover struct {
	tenant, user, covered int // users
	author                int
	from, to, known       micro
}

// covering has a colleague see to the patients of each clinician who is away: results that come in, questions of the
// pharmacy. Nothing ties these patients to the one who covers but the roster, which the desk wrote.
func (g *gen) covering() {
	g.roll = newDice(g.cfg.Seed, "covering")
	for t := range g.h.Tenants {
		team, desks := g.whole(t, clinician), g.whole(t, frontDesk)
		for _, m := range g.team(t, clinician) {
			away := g.h.members[m].shift.away
			from, to := max(away[0], -5*day), min(away[1], micro(g.cfg.Days)*day)
			if to-from < day || len(team) < 2 || to-from > 85*day {
				continue
			}
			by := one(g.roll, team)
			if g.h.members[by].user == g.h.members[m].user {
				continue
			}
			g.h.covers = append(g.h.covers, cover{tenant: t, user: g.h.members[by].user, covered: g.h.members[m].user,
				author: g.h.members[one(g.roll, desks)].user,
				from:   from, to: to, known: from - g.roll.span(hour, 5*day)})
			for at := from; at < to; at += g.roll.span(8*hour, 3*day) {
				g.standFor(by, m, at, to)
			}
		}
	}
}

// standFor is one look at a chart of the absent colleague's.
func (g *gen) standFor(by, absent int, at, until micro) {
	t, ok := g.next(by, at)
	if !ok || t >= until {
		return
	}
	who := &g.h.members[absent]
	own := g.ownPatients(who.user, who.tenant, t)
	if len(own) == 0 {
		return
	}
	id := one(g.roll, own)
	g.view(by, t, treatment, g.pages(id, t, 1, 2)...)
}

// coordinate gives one chronic patient in four a nurse who keeps an eye on them, by the care team's row that the desk
// wrote, and has them do so.
func (g *gen) coordinate() {
	g.roll = newDice(g.cfg.Seed, "coordinate")
	for id := range g.h.charts {
		c := &g.h.charts[id]
		if c.weight < 2.5 || !g.roll.chance(0.25) {
			continue
		}
		m, desk := one(g.roll, g.whole(c.tenant, nurse)), one(g.roll, g.whole(c.tenant, frontDesk))
		created := g.h.rows[c.row].created
		if c.person == g.h.members[m].user || created > 0 {
			continue
		}
		g.add(row{table: careTeam, tenant: c.tenant, chart: id, provider: g.h.members[m].user,
			author: g.h.members[desk].user, encounter: -1, at: created + hour, until: never, created: created + hour})
		for at := g.roll.span(0, 60*day); at < g.h.end; at += g.roll.span(20*day, 60*day) {
			if t, ok := g.next(m, at); ok {
				g.view(m, t, treatment, g.pages(id, t, 1, 1)...)
			}
		}
	}
}

// stray are looks that nothing explains and nobody need fear. They are no incidents and no twins: the key does not have
// them.
func (g *gen) stray() {
	g.roll = newDice(g.cfg.Seed, "stray")
	var all []int
	for t := range g.h.Tenants {
		all = append(all, g.whole(t, clinician)...)
		all = append(all, g.whole(t, nurse)...)
	}
	looks := 0
	for i := range g.h.events {
		if e := &g.h.events[i]; e.action == "view" &&
			(g.h.members[e.member].role == clinician || g.h.members[e.member].role == nurse) {
			looks++
		}
	}
	for seen := 0; seen < int(g.cfg.Stray*float64(looks)); {
		m := one(g.roll, all)
		d := g.roll.IntN(g.cfg.Days)
		from, to, ok := g.hours(&g.h.members[m], micro(d)*day+17*hour, 0)
		if !ok || to-from < hour {
			continue
		}
		before := len(g.h.events)
		id := g.everyone[g.h.members[m].tenant].draw(g.roll)
		t := g.roll.span(from, to-10*minute)
		g.view(m, t, treatment, g.pages(id, t, 1, g.roll.IntN(2))...)
		seen += max(1, len(g.h.events)-before)
	}
}
