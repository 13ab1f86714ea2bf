package clinic

import "slices"

// booking is one planned visit and who takes part; members, -1: nobody.
type booking struct {
	chart                  int
	clinician, nurse, desk int
	appointment, intake    int // rows; intake -1: none
	at, known              micro
}

// visits simulates every clinician's days, with as many visits as yield the configured number of events.
func (g *gen) visits(perVisit float64) {
	g.roll = newDice(g.cfg.Seed, "visits")
	var doctors []int
	load := 0.0 // clinicians' days, a full shift being one
	for t := range g.h.Tenants {
		for _, m := range g.team(t, clinician) {
			doctors = append(doctors, m)
			for d := range g.cfg.Days {
				load += g.fullness(m, d)
			}
		}
	}
	rate := float64(g.cfg.Events) / perVisit / load
	g.rate = rate
	g.assists, g.most = map[[2]int]int{}, make([]int, len(g.h.Tenants))
	for t := range g.h.Tenants {
		g.most[t] = 2 + int(1.3*rate*float64(len(g.atStart(t, clinician)))/float64(len(g.atStart(t, nurse))))
	}
	days := g.cfg.Days + horizon
	for d := -warmUp; d < days; d++ {
		for _, m := range doctors {
			if f := g.fullness(m, d); f > 0 {
				g.clinicDay(m, d, g.roll.about(rate*f*(0.85+0.3*g.roll.Float64())))
			}
		}
		g.cfg.tell("history", int64(d+warmUp), int64(days+warmUp))
	}
}

// fullness is how much of a full shift a member works on the local day that has noon UTC in it.
func (g *gen) fullness(index, d int) float64 {
	from, to, ok := g.hours(&g.h.members[index], micro(d)*day+17*hour, 0)
	if !ok {
		return 0
	}
	return float64(to-from) / float64(9*hour)
}

func (g *gen) clinicDay(m, d, n int) {
	from, to, _ := g.hours(&g.h.members[m], micro(d)*day+17*hour, 0)
	if to-from < hour {
		return
	}
	slots := make([]micro, n)
	for i := range slots {
		slots[i] = g.roll.span(from+20*minute, to-35*minute) / (5 * minute) * (5 * minute)
	}
	slices.Sort(slots)
	tenant := g.h.members[m].tenant
	for _, s := range slots {
		from := g.everyone[tenant]
		if p := g.panel[m]; p != nil && g.roll.chance(0.8) {
			from = p
		}
		g.visit(m, from.draw(g.roll), s)
	}
}

// visit is one appointment from its booking to its claim.
func (g *gen) visit(doctor, id int, s micro) {
	b, ok := g.book(doctor, id, s)
	if !ok {
		return
	}
	g.remind(b)
	switch x := g.roll.Float64(); {
	case x < 0.05:
		g.rebook(b, g.cancel(b, g.roll.span(b.known+minute, s-20*minute)))
		return
	case x < 0.09:
		b = g.cover(b)
	}
	g.prepare(b)
	if g.roll.chance(0.04) {
		return // did not come
	}
	g.attend(b)
}

// rebook: some of those who cancelled come another day. The desk looks at what was cancelled when it calls them.
func (g *gen) rebook(b booking, cancelled micro) {
	c := &g.h.charts[b.chart]
	if !g.roll.chance(0.4) {
		return
	}
	t := cancelled + g.roll.span(20*hour, 4*day)
	if desk := g.onDuty(g.team(c.tenant, frontDesk), t); desk >= 0 {
		g.view(desk, t, operations, c.row, b.appointment)
		if s, ok := g.next(b.clinician, t+g.roll.span(2*day, 9*day)); ok {
			g.visit(b.clinician, b.chart, s/(5*minute)*(5*minute))
		}
	}
}

// refer: the desk makes an appointment with a colleague, who looks at the chart before.
func (g *gen) refer(b booking, t micro) {
	if !g.roll.chance(0.05) {
		return
	}
	to := one(g.roll, g.team(g.h.charts[b.chart].tenant, clinician))
	if s, ok := g.next(to, t+g.roll.span(2*day, 16*day)); ok && to != b.clinician && s < micro(g.cfg.Days+horizon)*day {
		g.visit(to, b.chart, s/(5*minute)*(5*minute))
	}
}

// book makes the appointment, and the nurse's intake call before it. The desk books, or the patient through the portal.
func (g *gen) book(doctor, id int, s micro) (booking, bool) {
	c := &g.h.charts[id]
	if c.person == g.h.members[doctor].user {
		return booking{}, false
	}
	b := booking{chart: id, clinician: doctor, nurse: g.assistant(c, s), at: s, intake: -1}
	t := s - g.roll.span(90*minute, 6*hour)
	switch x := g.roll.Float64(); {
	case x < 0.35:
		t = s - micro(g.roll.count(5, 12))*day + g.roll.span(-4*hour, 4*hour)
	case x < 0.8:
		t = s - micro(g.roll.count(1, 4))*day + g.roll.span(-4*hour, 4*hour)
	}
	b.desk = g.onDuty(g.team(c.tenant, frontDesk), t)
	if b.desk < 0 || g.roll.chance(0.12) {
		b.desk = g.accounts[c.tenant][portal] // at night, at the weekend, or because it is handy
	}
	human := g.h.members[b.desk].role == frontDesk
	switch {
	case c.fresh && human:
		c.fresh = false
		g.h.rows[c.row].created = t
		t = g.create(b.desk, t, c.row)
	case t < g.h.rows[c.row].created:
		return b, false // registered since
	case human:
		if g.roll.chance(0.01) {
			t = g.mistype(b.desk, t, operations)
		}
		t = g.search(b.desk, t, operations, c.row)
	}
	c.fresh = false // who came through the portal had registered long ago
	g.enter(&b, t)
	return b, true
}

// enter writes the rows of a booking at t.
func (g *gen) enter(b *booking, t micro) {
	c := &g.h.charts[b.chart]
	by := g.h.members[b.desk].user
	b.appointment = g.add(row{table: appointments, tenant: c.tenant, chart: b.chart,
		provider: g.h.members[b.clinician].user, author: by, encounter: -1, at: b.at, until: never, created: t})
	t = g.create(b.desk, t, b.appointment)
	c.bookings = append(c.bookings, b.appointment)
	if b.nurse >= 0 {
		b.intake = g.add(row{table: appointments, tenant: c.tenant, chart: b.chart, provider: g.h.members[b.nurse].user,
			author: by, encounter: -1, at: b.at - 15*minute, until: never, created: t})
		t = g.create(b.desk, t, b.intake)
	}
	b.known = t
}

// assistant is the care team's nurse, or another who works then; -1: nobody, or the one is fully booked.
func (g *gen) assistant(c *chart, s micro) int {
	n := c.nurse
	if !g.working(&g.h.members[n], s-15*minute) || g.h.members[n].user == c.person {
		n = g.onDuty(g.team(c.tenant, nurse), s-15*minute)
	}
	key := [2]int{n, int(s / day)}
	if n < 0 || g.h.members[n].user == c.person || g.assists[key] >= g.most[c.tenant] {
		return -1
	}
	g.assists[key]++
	return n
}

func (g *gen) remind(b booking) {
	c := &g.h.charts[b.chart]
	midnight := (b.at - 18*hour) / day * day
	if b.at < 18*hour {
		return
	}
	t := midnight + 16*hour + g.roll.span(0, 35*minute)
	if t < b.known || t >= b.at {
		return
	}
	g.view(g.accounts[c.tenant][reminders], t, operations, b.appointment, c.row)
}

// cancel voids a booking's rows at about t, by whoever is at the desk.
func (g *gen) cancel(b booking, t micro) (at micro) {
	c := &g.h.charts[b.chart]
	desk := g.onDuty(g.team(c.tenant, frontDesk), t)
	if desk < 0 {
		g.h.rows[b.appointment].until = t // through the portal
		if b.intake >= 0 {
			g.h.rows[b.intake].until = t
		}
		return t
	}
	t = g.search(desk, t, operations, c.row)
	for _, r := range []int{b.appointment, b.intake} {
		if r >= 0 {
			g.h.rows[r].until = t + 2*second
			t = g.modify(desk, t, operations, r)
		}
	}
	return t
}

// cover moves a booking to a colleague who works then: the desk cancels and books anew. Without one it stays as it is.
func (g *gen) cover(b booking) booking {
	tenant := g.h.charts[b.chart].tenant
	colleague := g.onDuty(g.team(tenant, clinician), b.at)
	t := g.roll.span(b.known+minute, b.at-25*minute)
	desk := g.onDuty(g.team(tenant, frontDesk), t)
	if colleague < 0 || colleague == b.clinician || desk < 0 || b.at-t > 12*day {
		return b
	}
	t = g.cancel(b, t)
	b.clinician, b.desk = colleague, desk
	g.enter(&b, t)
	return b
}

// prepare is the clinician's look at the chart before the visit.
func (g *gen) prepare(b booking) {
	if !g.roll.chance(0.7) {
		return
	}
	t, ok := g.next(b.clinician, g.roll.span(b.at-26*hour, b.at-10*minute))
	if ok && t > b.known && t < b.at {
		g.view(b.clinician, t, treatment, g.pages(b.chart, t, 2, 2)...)
	}
}

// attend is the visit itself.
func (g *gen) attend(b booking) {
	c := &g.h.charts[b.chart]
	if t := b.at - g.roll.span(16*minute, 24*minute); t > b.known {
		if desk := g.onDuty(g.team(c.tenant, frontDesk), t); desk >= 0 {
			t = g.view(desk, t, operations, c.row, b.appointment)
			if g.roll.chance(0.3) {
				g.modify(desk, t, operations, b.appointment) // checked in
			}
		}
	}
	if b.intake >= 0 && b.known < b.at-15*minute {
		g.intake(b)
	}
	t := b.at + g.roll.span(0, 4*minute)
	t = g.view(b.clinician, t, treatment, append(g.pages(b.chart, t, 1, 2), b.appointment)...)
	ended := t + g.roll.span(8*minute, 30*minute)
	e := g.document(b, ended)
	g.afterwards(b, e, ended)
}

func (g *gen) intake(b booking) {
	c := &g.h.charts[b.chart]
	t := b.at - 15*minute + g.roll.span(0, 3*minute)
	t = g.view(b.nurse, t, treatment, append(g.pages(b.chart, t, 0, 1), b.intake)...)
	if g.roll.chance(0.5) {
		t += g.roll.span(minute, 6*minute)
		n := g.add(row{table: notes, tenant: c.tenant, chart: b.chart, provider: g.h.members[b.nurse].user, author: -1,
			encounter: -1, created: t, until: never})
		c.notes = append(c.notes, n)
		g.create(b.nurse, t, n)
	}
}
