package clinic

import "slices"

// pace is when the k-th of n things happens that begin at t: soon after one another, or for who stays below the
// counters a few a day over eight days.
func (g *gen) pace(i, m int, t micro, k, n int, between micro) micro {
	if !g.patient(i) {
		return t + micro(k)*between + g.roll.span(0, between/2)
	}
	at, ok := g.next(m, t+micro(k*8/n)*day)
	if !ok {
		return never
	}
	return at + micro(k%max(1, n/8))*between
}

// patient: the i-th incident of a scenario is spread over days.
func (g *gen) patient(i int) bool { return g.cfg.Staff >= 200 && (i/4+i)%4 == 3 }

// stays names what the i-th incident hides by.
func (g *gen) stays(i int) {
	if g.patient(i) {
		g.hidden(UnderCounters)
	}
}

// formerPatients: the actor treated them once; nothing has happened since for a month and a half, at the whole clinic,
// and nothing is booked.
func (g *gen) formerPatients(i, dose int) {
	m := g.pick(i, clinician)
	t, ok := g.moment(m, 2*hour)
	if list := g.longGone(m, t, dose); ok && len(list) > 0 {
		g.begin(FormerPatient, Incident, m, len(list),
			"patients whose last visit is a month and a half ago or more, with nothing to come")
		g.stays(i)
		for k, id := range list {
			g.browse(m, g.pace(i, m, t, k, len(list), 2*minute), id)
		}
		g.finish()
	}
	m = g.pick(i+1, clinician)
	t, ok = g.moment(m, 2*hour)
	list := g.longGone(m, t, dose)
	if !ok || len(list) == 0 {
		return
	}
	g.begin(FormerPatient, Twin, m, len(list), "patients of old, who wrote in the days before")
	for k, id := range list {
		sent := t - g.roll.span(3*hour, 3*day)
		in := g.message(m, id, sent, true)
		g.byOthers(func() { g.create(g.accounts[g.h.charts[id].tenant][portal], sent, in) })
		g.browse(m, g.pace(0, m, t, k, len(list), 2*minute), id)
	}
}

// longGone draws up to n charts that the member treated, and to which nothing has happened for 45 days at t and nothing
// will.
func (g *gen) longGone(m int, t micro, n int) []int {
	who := &g.h.members[m]
	own, last := map[int]bool{}, map[int]micro{}
	for i := range g.h.rows {
		r := &g.h.rows[i]
		if r.tenant != who.tenant || r.nobody || r.table == patients || r.table == notes {
			continue
		}
		own[r.chart] = own[r.chart] || r.provider == who.user && r.table == encounters
		at := max(r.at, r.created)
		if r.until < never {
			at = max(at, r.until)
		}
		if was, ok := last[r.chart]; !ok || at > was {
			last[r.chart] = at
		}
	}
	var out []int
	for _, id := range g.everybody(m) {
		if own[id] && last[id] < t-45*day && g.h.charts[id].person != who.user {
			out = append(out, id)
		}
	}
	g.roll.Shuffle(len(out), func(a, b int) { out[a], out[b] = out[b], out[a] })
	return out[:min(n, len(out))]
}

// breakGlass: emergencies that nobody documents. The twin's are: a colleague records the encounter within the day.
func (g *gen) breakGlass(i, dose int) {
	dose = min(dose, 3) // nobody has more emergencies than that at once
	m := g.pick(i, clinician)
	t, ok := g.moment(m, 2*hour)
	if list := g.strangers(m, t, dose, g.everybody(m)); ok && len(list) > 0 {
		g.begin(Emergency, Incident, m, len(list), "strangers opened as emergencies; no encounter follows")
		g.stays(i)
		for k, id := range list {
			at := g.pace(i, m, t, k, len(list), 3*minute)
			g.view(m, at, breakGlass, g.pages(id, at, 1, 2)...)
		}
		g.finish()
	}
	m = g.pick(i+1, clinician)
	t, ok = g.moment(m, 2*hour)
	list := g.strangers(m, t, dose, g.everybody(m))
	if !ok || len(list) == 0 {
		return
	}
	who, by := &g.h.members[m], g.pickOther(m)
	g.begin(Emergency, Twin, m, len(list), "emergencies; a colleague recorded the encounters within the day")
	for k, id := range list {
		at := t + micro(k)*4*minute
		g.view(m, at, breakGlass, g.pages(id, at, 1, 2)...)
		e := g.add(row{table: encounters, tenant: who.tenant, chart: id, provider: who.user,
			author: g.h.members[by].user, encounter: -1, at: at, until: at + 15*minute,
			created: at + g.roll.span(30*minute, 20*hour)})
		g.h.charts[id].encounters = append(g.h.charts[id].encounters, e)
		g.byOthers(func() { g.create(by, g.h.rows[e].created, e) })
	}
}

// voidedVisits: the desk booked them with the actor and cancelled days ago. The twin's were booked again.
func (g *gen) voidedVisits(i, dose int) {
	for _, kind := range []string{Incident, Twin} {
		m := g.pick(i, clinician, nurse)
		t, ok := g.moment(m, 2*hour)
		list := g.strangers(m, t, min(dose, 12), g.everybody(m))
		if !ok || len(list) == 0 {
			continue
		}
		note := "patients whose appointment with the actor was cancelled days before"
		if kind == Twin {
			note += ", and made anew"
		}
		g.begin(VoidedVisit, kind, m, len(list), note)
		for _, id := range list {
			g.voided(m, t, id, kind == Twin)
		}
		g.visitAll(m, t, list)
		i++
	}
}

func (g *gen) voided(m int, t micro, id int, anew bool) {
	who := &g.h.members[m]
	booked := t - g.roll.span(6*day, 9*day)
	desk := g.onDuty(g.whole(who.tenant, frontDesk), booked)
	if desk < 0 {
		desk = g.accounts[who.tenant][portal]
	}
	at := t - g.roll.span(36*hour, 60*hour)
	a := g.add(row{table: appointments, tenant: who.tenant, chart: id, provider: who.user,
		author: g.h.members[desk].user, encounter: -1, at: at, until: at - g.roll.span(4*hour, 2*day), created: booked})
	g.h.charts[id].bookings = append(g.h.charts[id].bookings, a)
	g.byOthers(func() {
		g.create(desk, booked, a)
		if to := g.onDuty(g.whole(who.tenant, frontDesk), g.h.rows[a].until); to >= 0 {
			g.modify(to, g.h.rows[a].until, operations, a)
		}
		if anew {
			b := g.add(row{table: appointments, tenant: who.tenant, chart: id, provider: who.user,
				author: g.h.members[desk].user, encounter: -1, at: t + g.roll.span(day, 9*day), until: never,
				created: g.h.rows[a].until + minute})
			g.h.charts[id].bookings = append(g.h.charts[id].bookings, b)
			g.create(desk, g.h.rows[b].created, b)
		}
	})
}

// crowd: many look at one patient whom none of them treats. The twin is a conference on a patient: the desk has it in
// everybody's calendar.
func (g *gen) crowd(i, dose int) {
	for _, kind := range []string{Incident, Twin} {
		tenant := i % min(len(g.h.Tenants), 1+g.rounds())
		lead := g.pickAt(tenant, clinician, nurse)
		t, ok := g.moment(lead, 3*hour)
		charts := g.strangers(lead, t, 1, g.everyone[tenant].charts)
		team := append(g.whole(tenant, clinician), g.whole(tenant, nurse)...)
		g.roll.Shuffle(len(team), func(a, b int) { team[a], team[b] = team[b], team[a] })
		team = append([]int{lead},
			slices.DeleteFunc(team, func(m int) bool { return m == lead || g.twice(g.h.members[m].user) })...)
		if !ok || len(charts) == 0 {
			continue
		}
		note := "people who have nothing to do with a patient, on one day"
		if kind == Twin {
			note = "a conference on one patient, in everybody's calendar"
		}
		g.begin(Crowd, kind, lead, 0, note)
		g.gather(team, charts[0], t, max(5, min(dose, 25)), kind == Twin)
		g.finish()
	}
}

// pickAt is pick at one clinic.
func (g *gen) pickAt(tenant int, roles ...string) int {
	m := g.pick(tenant, roles...)
	if g.h.members[m].tenant == tenant {
		return m
	}
	return g.whole(tenant, roles[0])[0]
}

// gather has n of the team look at a chart on the day of t, in their shifts.
func (g *gen) gather(team []int, id int, t micro, n int, invited bool) {
	l := &g.h.labels[g.current]
	for _, m := range team {
		from, to, ok := g.hours(&g.h.members[m], t, 0)
		if l.Dose == n || !ok || to-from < hour || g.h.members[m].shift.to > 24*60 ||
			g.related[[2]int{g.h.members[m].user, id}] && l.Dose > 0 {
			continue
		}
		at := g.roll.span(from+25*minute, to-20*minute)
		if m == team[0] {
			at = t
		}
		if invited {
			g.standIn(m, at, id)
		}
		g.view(m, at, treatment, g.pages(id, at, 1, 1)...)
		l.Dose++
	}
}
