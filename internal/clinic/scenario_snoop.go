package clinic

// snoopers: clinicians and nurses who open charts of patients whom nothing ties to them, and twins who do the same and
// are tied to them by a row that somebody else wrote: the desk's appointment with who covers, or a colleague's late
// record of an encounter.
func (g *gen) snoopers() {
	for i, dose := range []int{1, 1, 3, 5, 10, 20} {
		m := g.pick(i, clinician, nurse)
		t, ok := g.moment(m, 2*hour)
		from := g.everybody(m)
		if i == 3 {
			colleague := &g.h.members[g.pickOther(m)]
			from = g.ownPatients(colleague.user, colleague.tenant, t)
		}
		if list := g.strangers(m, t, dose, from); ok && len(list) > 0 {
			g.begin(Snooper, Incident, m, len(list),
				"patients with whom no appointment, encounter or message ties the actor, ever")
			if i == 3 {
				g.hidden(InDepartment)
			}
			g.visitAll(m, t, list)
		}
	}
	for i, dose := range []int{1, 1, 2, 4, 6, 12} {
		m := g.pick(i+1, clinician, nurse)
		t, ok := g.moment(m, 2*hour)
		if !ok {
			continue
		}
		if i%3 == 2 {
			g.coverLate(m, t, dose)
			continue
		}
		list := g.strangers(m, t, dose, g.everybody(m))
		g.begin(Snooper, Twin, m, len(list), "patients of a colleague, covered for: the desk booked it the same day")
		for _, id := range list {
			g.standIn(m, t, id)
		}
		g.visitAll(m, t, list)
	}
}

// coverLate is a twin whose explanation comes after the fact: a colleague, who treats these patients, records the
// actor's encounters with them.
func (g *gen) coverLate(m int, t micro, dose int) {
	who, colleague := &g.h.members[m], g.pickOther(m)
	list := g.strangers(m, t, dose, g.ownPatients(g.h.members[colleague].user, who.tenant, t))
	if len(list) == 0 {
		return
	}
	g.begin(Snooper, Twin, m, len(list),
		"patients of a colleague, covered for: somebody else recorded the encounters within two days")
	for _, id := range list {
		e := g.add(row{table: encounters, tenant: who.tenant, chart: id, provider: who.user,
			author: g.h.members[colleague].user, encounter: -1, at: t, until: t + 15*minute,
			created: t + g.roll.span(6*hour, 44*hour)})
		g.h.charts[id].encounters = append(g.h.charts[id].encounters, e)
		g.byOthers(func() { g.create(colleague, g.h.rows[e].created, e) })
	}
	g.visitAll(m, t, list)
}

// standIn is the desk's appointment with who covers.
func (g *gen) standIn(m int, t micro, id int) {
	who := &g.h.members[m]
	booked := t - g.roll.span(20*minute, 90*minute)
	desk := g.onDuty(g.whole(who.tenant, frontDesk), booked)
	if desk < 0 {
		desk = g.accounts[who.tenant][portal]
	}
	a := g.add(row{table: appointments, tenant: who.tenant, chart: id, provider: who.user,
		author: g.h.members[desk].user, encounter: -1, at: t + g.roll.span(0, 90*minute), until: never,
		created: booked})
	g.byOthers(func() { g.create(desk, booked, a) })
}

// byOthers keeps a label off what others than its actor do.
func (g *gen) byOthers(do func()) {
	label := g.current
	g.current = -1
	do()
	g.current = label
}

// visitAll opens the charts one after the other from t on, and ends the label.
func (g *gen) visitAll(m int, t micro, list []int) {
	for _, id := range list {
		g.browse(m, t, id)
		t += g.roll.span(minute, 100*minute/micro(len(list)))
	}
	g.finish()
}

// strangers draws up to n of the charts that no row ties to the user, that are known at t, and in which there is
// something to read. Nobody else's scenario gets them.
func (g *gen) strangers(m int, t micro, n int, from []int) []int {
	who := &g.h.members[m]
	var out []int
	for _, i := range g.roll.Perm(len(from)) {
		key := [2]int{who.user, from[i]}
		c := &g.h.charts[from[i]]
		if len(out) == n || g.related[key] || c.person == who.user || g.coversFor(who.user, from[i]) ||
			g.h.rows[c.row].created >= t || len(g.latest(c.encounters, t, 1)) == 0 {
			continue
		}
		g.related[key] = true
		out = append(out, from[i])
	}
	return out
}

// coversFor: the user stands in, at some time, for somebody whose patient it is.
func (g *gen) coversFor(user, id int) bool {
	for i := range g.h.covers {
		if c := &g.h.covers[i]; c.user == user && g.related[[2]int{c.covered, id}] {
			return true
		}
	}
	return false
}

// everybody is all charts of the member's clinic.
func (g *gen) everybody(m int) []int { return g.everyone[g.h.members[m].tenant].charts }

func (g *gen) browse(m int, t micro, id int) {
	if g.roll.chance(0.6) {
		t = g.search(m, t, treatment, g.h.charts[id].row)
	}
	g.view(m, t, treatment, g.pages(id, t, 1, 2)...)
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
