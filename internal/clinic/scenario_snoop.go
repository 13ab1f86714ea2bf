package clinic

// snoopers: clinicians and nurses who open charts of patients whom nothing ties to them, and twins who do the same and are tied to them by a row that somebody
// else wrote: the desk's appointment with who covers, or a colleague's late record of an encounter.
func (g *gen) snoopers() {
	for i, dose := range []int{1, 1, 3, 5, 10, 20} {
		m := g.pick(i, clinician, nurse)
		t, ok := g.moment(m, 2*hour)
		if !ok {
			continue
		}
		g.begin(Snooper, Incident, m, dose, "patients with whom no appointment, encounter or message ties the actor, ever")
		for range dose {
			g.browse(m, t, g.stranger(m, t))
			t += g.roll.span(minute, 100*minute/micro(dose))
		}
		g.finish()
	}
	for i, dose := range []int{1, 1, 2, 4, 6, 12} {
		m := g.pick(i+1, clinician, nurse)
		t, ok := g.moment(m, 2*hour)
		if !ok {
			continue
		}
		late := i%3 == 2
		note := "patients of a colleague, covered for: the desk booked it the same day"
		if late {
			note = "patients of a colleague, covered for: somebody else recorded the encounters within two days"
		}
		g.begin(Snooper, Twin, m, dose, note)
		colleague := g.pickOther(m)
		for range dose {
			id := g.stranger(m, t)
			if late {
				if id = g.strangerOf(m, colleague, t); id < 0 {
					break
				}
			}
			g.stand(m, colleague, t, id, late)
			g.browse(m, t, id)
			t += g.roll.span(minute, 100*minute/micro(dose))
		}
		g.finish()
	}
}

// stranger draws a patient of the member's clinic to whom no row ties the user, with something to read.
func (g *gen) stranger(m int, t micro) int {
	who := &g.h.members[m]
	for {
		id := g.everyone[who.tenant].draw(g.roll)
		if c := &g.h.charts[id]; !g.related[[2]int{who.user, id}] && g.h.rows[c.row].created < t && len(g.latest(c.encounters, t, 1)) > 0 {
			g.related[[2]int{who.user, id}] = true // not drawn again
			return id
		}
	}
}

func (g *gen) browse(m int, t micro, id int) {
	if g.roll.chance(0.6) {
		t = g.search(m, t, treatment, g.h.charts[id].row)
	}
	g.view(m, t, treatment, g.pages(id, t, 1, 2)...)
}

// strangerOf is a stranger whom the colleague has seen lately; -1: none.
func (g *gen) strangerOf(m, colleague int, t micro) int {
	who := &g.h.members[m]
	for _, id := range g.ownPatients(g.h.members[colleague].user, who.tenant, t) {
		if key := [2]int{who.user, id}; !g.related[key] {
			g.related[key] = true
			return id
		}
	}
	return -1
}

// stand writes the row that explains a covering look.
func (g *gen) stand(m, colleague int, t micro, id int, late bool) {
	who := &g.h.members[m]
	label := g.current
	g.current = -1 // what others write is not the twin's own doing
	defer func() { g.current = label }()
	if late {
		e := g.add(row{table: encounters, tenant: who.tenant, chart: id, provider: who.user, author: g.h.members[colleague].user, encounter: -1, at: t, until: t + 15*minute, created: t + g.roll.span(6*hour, 44*hour)})
		g.create(colleague, g.h.rows[e].created, e)
		g.h.charts[id].encounters = append(g.h.charts[id].encounters, e)
		return
	}
	booked := t - g.roll.span(20*minute, 90*minute)
	desk := g.onDuty(g.whole(who.tenant, frontDesk), booked)
	if desk < 0 {
		desk = g.accounts[who.tenant][portal]
	}
	a := g.add(row{table: appointments, tenant: who.tenant, chart: id, provider: who.user, author: g.h.members[desk].user, encounter: -1, at: t + g.roll.span(0, 90*minute), until: never, created: booked})
	g.create(desk, booked, a)
}

// pickOther is another clinician of the member's clinic, or a nurse.
func (g *gen) pickOther(m int) int {
	for _, c := range g.whole(g.h.members[m].tenant, clinician) {
		if c != m && !g.twice(g.h.members[c].user) {
			return c
		}
	}
	return g.whole(g.h.members[m].tenant, nurse)[0]
}
