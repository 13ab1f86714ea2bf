package clinic

// otherLogs moves some looks to another system, an outside viewer whose log ward imports: minutes late as a rule, up to
// two and a half days late after an outage, then out of order, and some twice. Only looks at the clinic's own records;
// what has not arrived by the history's end is not in it.
func (g *gen) otherLogs() {
	g.roll = newDice(g.cfg.Seed, "other logs")
	type outage struct{ from, to micro }
	outages := make([][]outage, len(g.h.Tenants))
	for t := range outages {
		for from := g.roll.span(2*day, 20*day); from < g.h.end; from += g.roll.span(9*day, 24*day) {
			outages[t] = append(outages[t], outage{from, from + g.roll.span(2*hour, 60*hour)})
		}
	}
	for i := range g.h.events {
		e := &g.h.events[i]
		m := &g.h.members[e.member]
		if e.other || e.action != "view" || e.denied || e.row < 0 || g.h.rows[e.row].nobody ||
			g.h.rows[e.row].tenant != m.tenant || m.role == service || !g.roll.chance(0.04) {
			continue
		}
		in := e.at + g.roll.span(minute, 30*minute)
		for _, o := range outages[m.tenant] {
			if o.from <= e.at && e.at < o.to {
				in = o.to + g.roll.span(second, 20*minute)
			}
		}
		g.import1(e, in)
		if again := in + g.roll.span(second, 30*hour); e.other && g.roll.chance(0.03) && again <= g.h.end {
			twice := *e
			twice.in, twice.seq = again, len(g.h.events)
			g.h.events = append(g.h.events, twice)
		}
	}
}

// import1 makes an event one of the other system's, which knows no sessions and no disclosures.
func (g *gen) import1(e *event, in micro) {
	if in <= g.h.end {
		e.other, e.in, e.ask, e.subject = true, in, -1, g.h.rows[e.row].table == patients
	}
}
