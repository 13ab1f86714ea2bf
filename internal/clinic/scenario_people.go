package clinic

import "strings"

// ownChart: staff who are patients of the clinic open their own chart. The twin has an appointment with somebody of the
// same name.
func (g *gen) ownChart(i, _ int) {
	if own := g.linked(-1); len(own) > 0 {
		id := own[i%len(own)]
		m := g.h.first(g.h.charts[id].person)
		if t, ok := g.moment(m, hour); ok && g.h.members[m].role != technician {
			pages := g.permitted(m, id, t)
			g.begin(OwnChart, Incident, m, len(pages), "opens the chart in which the actor is the patient")
			g.view(m, t, g.purposeOf(m), pages...)
			g.finish()
		}
	}
	m := g.pick(i, clinician)
	t, ok := g.moment(m, hour)
	list := g.strangers(m, t, 1, g.everybody(m))
	if !ok || len(list) == 0 {
		return
	}
	c := &g.h.charts[list[0]]
	_, c.last, _ = strings.Cut(g.h.Users[g.h.members[m].user].Name, " ")
	g.begin(OwnChart, Twin, m, 1, "a patient of the actor's name, with an appointment")
	g.standIn(m, t, list[0])
	g.visitAll(m, t, list)
}

// permitted is what a member's role may read of a chart.
func (g *gen) permitted(m, id int, t micro) []int {
	c := &g.h.charts[id]
	switch g.h.members[m].role {
	case frontDesk:
		return append([]int{c.row}, g.latest(c.bookings, t, 2)...)
	case billing:
		return append([]int{c.row}, g.latest(c.encounters, t, 2)...)
	}
	return g.pages(id, t, 1, 2)
}

// linked lists the charts of staff, of one clinic or (-1) of all.
func (g *gen) linked(tenant int) []int {
	var out []int
	for id := range g.h.charts {
		if c := &g.h.charts[id]; c.person >= 0 && (tenant < 0 || c.tenant == tenant) {
			out = append(out, id)
		}
	}
	return out
}

// colleagues picks somebody and charts of people of the same clinic who are strangers as patients; not every clinic has
// any.
func (g *gen) colleagues(i *int, dose int) (m int, t micro, list []int) {
	for range 2 * len(g.h.Tenants) {
		m = g.pick(*i, clinician, nurse)
		*i++
		var ok bool
		if t, ok = g.moment(m, 2*hour); ok {
			list = g.strangers(m, t, min(dose, 3), g.linked(g.h.members[m].tenant))
		}
		if len(list) > 0 {
			break
		}
	}
	return m, t, list
}

// coworker: the chart of a colleague, with whom nothing but work ties the actor. The twin treats the colleague: the
// desk has booked it.
func (g *gen) coworker(i, dose int) {
	for _, kind := range []string{Incident, Twin} {
		m, t, list := g.colleagues(&i, dose)
		if len(list) == 0 {
			continue
		}
		note := "charts of people of the same clinic whom nothing ties to the actor"
		if kind == Twin {
			note = "people of the same clinic, with an appointment"
		}
		g.begin(Coworker, kind, m, len(list), note)
		for _, id := range list {
			if kind == Twin {
				g.standIn(m, t, id)
			}
		}
		g.visitAll(m, t, list)
	}
}
