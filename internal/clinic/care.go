package clinic

import "time"

// document writes the encounter and its note, soon after the visit or up to three days later, and returns the
// encounter's row.
func (g *gen) document(b booking, ended micro) int {
	c := &g.h.charts[b.chart]
	by := b.clinician
	t := ended + g.roll.span(minute, 25*minute)
	switch x := g.roll.Float64(); {
	case x < 0.2 && b.nurse >= 0:
		by = b.nurse
	case x < 0.35:
		t = ended + g.roll.span(2*hour, 4*hour) // from home, in the evening
	case x < 0.42:
		t = ended + g.roll.span(22*hour, 26*hour)
	case x < 0.45:
		t = ended + g.roll.span(43*hour, 46*hour)
	case x < 0.46:
		t = ended + g.roll.span(66*hour, 72*hour)
	}
	// who leaves finishes before
	t = max(ended, min(t, g.h.members[by].last-30*minute))
	m := g.h.members[b.clinician]
	e := g.add(row{table: encounters, tenant: c.tenant, chart: b.chart, provider: m.user, author: g.h.members[by].user,
		encounter: -1, at: b.at, until: ended, created: t})
	c.encounters = append(c.encounters, e)
	g.create(by, t, e)
	t = max(t, min(t+g.roll.span(minute, 10*minute), m.last-10*minute))
	n := g.add(row{table: notes, tenant: c.tenant, chart: b.chart, provider: m.user, author: -1, encounter: e,
		created: t, until: never})
	c.notes = append(c.notes, n)
	g.create(b.clinician, t, n)
	if g.roll.chance(0.25) {
		g.modify(b.clinician, t+g.roll.span(3*minute, 50*minute), treatment, n)
	}
	return e
}

// afterwards is what follows a visit: looks at the results, messages, the claim, the warehouse's copy.
func (g *gen) afterwards(b booking, e int, ended micro) {
	if g.roll.chance(0.35) {
		t, ok := g.later(b.clinician, ended+g.roll.span(20*hour, 18*day))
		if ok && t < ended+27*day {
			t = g.view(b.clinician, t, treatment, g.pages(b.chart, t, 1, 2)...)
			if g.roll.chance(0.4) {
				g.reply(b.clinician, b.chart, t+minute)
			}
		}
	}
	if g.roll.chance(0.3) {
		to := b.clinician
		if b.nurse >= 0 && g.roll.chance(0.3) {
			to = b.nurse
		}
		g.correspond(to, b.chart, ended+g.roll.span(6*hour, 9*day))
	}
	g.charge(b, e)
	g.refer(b, ended)
	if w := g.accounts[g.h.charts[b.chart].tenant][warehouse]; w >= 0 {
		if known := g.h.rows[e].created; known > 0 {
			g.export(w, known/day*day+day+6*hour+g.roll.span(5*minute, 50*minute), operations, e)
		}
	}
}

// message makes a message between a patient and a member.
func (g *gen) message(member, id int, t micro, fromPatient bool) int {
	return g.add(row{table: messages, tenant: g.h.charts[id].tenant, chart: id, provider: g.h.members[member].user,
		author: -1, encounter: -1, at: t, until: never, created: t, fromPatient: fromPatient})
}

func (g *gen) reply(member, id int, t micro) {
	if m := g.h.members[member]; t < m.last {
		g.create(member, t, g.message(member, id, t, false))
	}
}

// correspond is a patient's message and its handling.
func (g *gen) correspond(to, id int, sent micro) {
	tenant := g.h.charts[id].tenant
	if m := &g.h.members[to]; sent >= m.last || sent >= m.shift.away[0] && sent < m.shift.away[1] {
		// the portal gives it to who covers
		if to = g.onDuty(g.team(tenant, m.role), sent+2*hour); to < 0 || g.h.members[to].user == g.h.charts[id].person {
			return
		}
	}
	in := g.message(to, id, sent, true)
	g.create(g.accounts[tenant][portal], sent, in)
	t, ok := g.later(to, sent+g.roll.span(5*minute, 16*hour))
	if !ok || t > sent+25*day {
		return
	}
	t = g.view(to, t, treatment, append(g.pages(id, t, 0, 1), in)...)
	if g.roll.chance(0.7) {
		g.reply(to, id, t+g.roll.span(minute, 6*minute))
	}
}

// charge is the claim: made and assigned by the nightly batch, worked on by its biller.
func (g *gen) charge(b booking, e int) {
	c := &g.h.charts[b.chart]
	visited := g.h.rows[e].until
	t := max(visited+2*day, g.h.rows[e].created)
	wait := g.roll.IntN(8)
	if g.roll.chance(0.06) {
		wait = g.roll.count(12, 56) // the payer had to be found first
	}
	t = t/day*day + micro(wait)*day + day + 4*hour + g.roll.span(0, 50*minute)
	switch g.h.time(t).Weekday() { // no batch in the nights to Sunday and Monday
	case time.Sunday, time.Monday:
		t += 2 * day
	default:
	}
	if !g.roll.chance(0.93) {
		return
	}
	biller := g.billerFor(c, b.chart, t)
	if biller < 0 {
		return
	}
	if g.roll.chance(0.02) {
		g.view(g.accounts[c.tenant][claimsBatch], t+30*minute, payment, e) // the batch ran twice
	}
	t = g.view(g.accounts[c.tenant][claimsBatch], t, payment, e)
	r := g.add(row{table: claims, tenant: c.tenant, chart: b.chart, provider: g.h.members[biller].user, author: -1,
		encounter: e, at: t, until: never, created: t})
	c.claimsRows = append(c.claimsRows, r)
	g.create(g.accounts[c.tenant][claimsBatch], t, r)
	g.bill(biller, b.chart, e, r)
}

// billerFor is always the same of those who are there at t, are not away, and stay for a week.
func (g *gen) billerFor(c *chart, id int, t micro) int {
	team := g.team(c.tenant, billing)
	for i := range team {
		m := team[(id+i)%len(team)]
		if who := &g.h.members[m]; who.started < t && t+7*day < who.last &&
			(t+day < who.shift.away[0] || t > who.shift.away[1]) {
			return m
		}
	}
	return -1
}

func (g *gen) bill(biller, id, e, r int) {
	c := &g.h.charts[id]
	submitted := g.h.rows[r].at
	t, ok := g.later(biller, submitted+g.roll.span(3*hour, 30*hour))
	if !ok {
		return
	}
	t = g.view(biller, t, payment, c.row, e, r)
	if g.roll.chance(0.4) {
		t = g.modify(biller, t+g.roll.span(minute, 5*minute), payment, r)
	}
	for range g.roll.IntN(3) { // what the payer answers
		t, ok = g.later(biller, t+g.roll.span(6*day, 18*day))
		if !ok || t > submitted+58*day {
			return
		}
		t = g.view(biller, t, payment, c.row, r)
	}
}
