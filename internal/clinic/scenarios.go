package clinic

import "slices"

// scenarios puts the misbehaviour and its twins on top of the ordinary traffic. All of it lies in the part of the
// history that has a baseline behind it and at least four days to come, since what explains an access may be written
// days later.
func (g *gen) scenarios() {
	g.roll = newDice(g.cfg.Seed, "scenarios")
	g.measure()
	// Those whose actors are given come first, so that nobody else's scenario falls on them.
	g.terminated()
	g.affiliated()
	g.dormant()
	for range g.rounds() {
		g.crossTenant()
		g.serviceOffList()
		g.bulkReaders()
		g.snoopers()
	}
	alternating := []func(i, dose int){g.foreignLog, g.noRight, g.servicePerson, g.formerPatients, g.breakGlass,
		g.voidedVisits, g.crowd, g.ownChart, g.coworker, g.enumerator, g.nightReader, g.exporter, g.emptySearches}
	for round := range g.rounds() {
		for _, s := range alternating {
			for i, dose := range g.doses() {
				s(round*len(g.doses())+i, dose)
				g.finish()
			}
		}
	}
}

// doses are how many records an incident touches, and its twin. A small clinic has few people to play a part.
func (g *gen) doses() []int {
	if g.cfg.Staff < 200 {
		return []int{5}
	}
	return []int{1, 3, 10, 50}
}

// begin opens a label for a member; events until end get it.
func (g *gen) begin(scenario, kind string, member, dose int, note string) {
	g.finish()
	m := &g.h.members[member]
	g.busy[m.user] = true
	g.h.labels = append(g.h.labels, Label{Scenario: scenario, Kind: kind, Tenant: g.h.Tenants[m.tenant].Slug,
		Actor: g.h.Users[m.user].Slug, Dose: dose, Note: note})
	g.current, g.forced = len(g.h.labels)-1, kind == Incident
	if m.role != service {
		g.hidden(AtWork)
	}
}

// finish closes the label that is open; one to which nothing happened is taken back.
func (g *gen) finish() {
	if g.current >= 0 && !g.happened {
		g.h.labels = g.h.labels[:g.current]
	}
	g.current, g.forced, g.happened = -1, false, false
}

// hidden says how the actor of the open label keeps from being noticed.
func (g *gen) hidden(how string) { g.h.labels[g.current].Stealth = how }

// between gives the days in which scenarios happen.
func (g *gen) between() (lo, hi int) { return g.cfg.Days * 2 / 5, g.cfg.Days - 6 }

// moment draws a time at work, with room before the end of the shift, on a day from lo to hi; ok is false when there is
// none.
func (g *gen) moment(index int, room micro) (at micro, ok bool) {
	lo, hi := g.between()
	m := &g.h.members[index]
	for range 200 {
		d := micro(g.roll.count(lo, hi))*day + 17*hour
		from, to, works := g.hours(m, d, 0)
		if works && to-from > room+hour {
			return g.roll.span(from+20*minute, to-room), true
		}
	}
	return 0, false
}

// pick draws a member of one of the roles who plays no part yet and is there throughout; if all do, one who plays one
// already. Clinics take turns by i.
func (g *gen) pick(i int, roles ...string) int {
	second := -1
	for k := range g.h.Tenants {
		var team []int
		for _, r := range roles {
			team = append(team, g.team((i+k)%len(g.h.Tenants), r)...)
		}
		g.roll.Shuffle(len(team), func(a, b int) { team[a], team[b] = team[b], team[a] })
		for _, m := range team {
			if g.h.members[m].last != never || g.h.members[m].started > 0 || slices.Contains(g.leaves, m) ||
				g.twice(g.h.members[m].user) {
				continue
			}
			if !g.busy[g.h.members[m].user] {
				return m
			}
			if second < 0 {
				second = m
			}
		}
	}
	return second
}

// twice: the user has memberships in two clinics, so another clinic's ids may be theirs.
func (g *gen) twice(user int) bool {
	n := 0
	for i := range g.h.members {
		if g.h.members[i].user == user {
			n++
		}
	}
	return n > 1
}

// workload is a member's distinct patients by day.
type workload struct {
	byDay map[int]map[int]bool
	role  string
}

// measure counts the ordinary traffic's distinct patients.
func (g *gen) measure() {
	g.loads = map[int]*workload{}
	for i := range g.h.events {
		e := &g.h.events[i]
		if e.row < 0 {
			continue
		}
		l := g.loads[e.member]
		if l == nil {
			l = &workload{byDay: map[int]map[int]bool{}, role: g.h.members[e.member].role}
			g.loads[e.member] = l
		}
		d := int(e.at / day)
		if l.byDay[d] == nil {
			l.byDay[d] = map[int]bool{}
		}
		l.byDay[d][g.h.rows[e.row].chart] = true
	}
}

// usual is a member's median of distinct patients in a day at work.
func (g *gen) usual(member int) int {
	l := g.loads[member]
	if l == nil {
		return 0
	}
	var counts []int
	for _, set := range l.byDay {
		counts = append(counts, len(set))
	}
	slices.Sort(counts)
	return counts[len(counts)/2]
}

// anyOf draws a record of a clinic that has been known since.
func (g *gen) anyOf(tenant int, t table, known micro) int {
	for {
		c := &g.h.charts[g.everyone[tenant].draw(g.roll)]
		list := []int{c.row}
		switch t {
		case encounters:
			list = c.encounters
		case notes:
			list = c.notes
		}
		if found := g.latest(list, known, 1); len(found) > 0 {
			return found[0]
		}
	}
}
