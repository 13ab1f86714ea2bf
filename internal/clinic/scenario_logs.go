package clinic

// foreignLog: another system's log says that it showed records of another clinic. The twin works in both clinics and is
// there under the right membership.
func (g *gen) foreignLog(i, dose int) {
	m := g.pick(i, clinician, nurse, billing)
	t, ok := g.moment(m, 2*hour)
	if !ok {
		return
	}
	other := (g.h.members[m].tenant + 1 + g.roll.IntN(len(g.h.Tenants)-1)) % len(g.h.Tenants)
	g.begin(ForeignLog, Incident, m, dose, "another system's log: patients of another clinic, shown")
	seen := map[int]bool{}
	for len(seen) < dose {
		if r := g.anyOf(other, patients, t-day); !seen[r] {
			seen[r] = true
			g.outside(m, t, "view", r)
			t += g.roll.span(5*second, 90*minute/micro(dose))
		}
	}
	g.finish()
	var both []int
	for k := range g.h.members {
		if who := &g.h.members[k]; who.role == clinician && who.last == never && g.twice(who.user) &&
			g.h.first(who.user) != k {
			both = append(both, k)
		}
	}
	if len(both) == 0 {
		return
	}
	m = both[i%len(both)]
	if t, ok = g.moment(m, hour); !ok {
		return
	}
	own := g.ownPatients(g.h.members[m].user, g.h.members[m].tenant, t)
	g.begin(ForeignLog, Twin, m, min(dose, len(own)),
		"another system's log: own patients of the second clinic, under the membership there")
	for _, id := range own[:min(dose, len(own))] {
		g.outside(m, t, "view", g.h.charts[id].row)
		t += g.roll.span(5*second, minute)
	}
}

// outside is something done in another system, which its log says some minutes later.
func (g *gen) outside(m int, t micro, action string, r int) {
	rec := &g.h.rows[r]
	if at := g.put(event{at: t, member: m, action: action, table: rec.table, row: r, purpose: g.purposeOf(m), ask: -1,
		cause: -1}); at >= 0 {
		g.import1(&g.h.events[at], t+g.roll.span(minute, 30*minute))
	}
}

// noRight: another system's log says that it let somebody do what their role has no right to.
func (g *gen) noRight(i, dose int) {
	v := []struct {
		role, action string
		table        table
	}{{technician, "view", patients}, {nurse, "export", notes}, {frontDesk, "view", notes}}[i%3]
	m := g.pick(i, v.role)
	t, ok := g.moment(m, hour)
	if !ok {
		return
	}
	g.begin(NoRight, Incident, m, dose, "another system's log: a "+v.role+" may not "+v.action+" "+tableNames[v.table])
	for range dose {
		g.outside(m, t, v.action, g.anyOf(g.h.members[m].tenant, v.table, t-day))
		t += g.roll.span(5*second, 30*minute/micro(dose))
	}
	g.finish()
	m = g.pick(i+1, clinician)
	if t, ok = g.moment(m, hour); !ok {
		return
	}
	var pages []int
	for _, id := range g.ownPatients(g.h.members[m].user, g.h.members[m].tenant, t) {
		pages = append(pages, g.latest(g.h.charts[id].notes, t, 1)...)
	}
	pages = pages[:min(dose, len(pages))]
	g.begin(NoRight, Twin, m, len(pages),
		"another system's log: a clinician does the same with their own patients, and may")
	for _, r := range pages {
		g.outside(m, t, []string{"view", "export", "view"}[i%3], r)
		t += g.roll.span(5*second, 30*second)
	}
}

// servicePerson: the reminders' account, within its list, keeps looking at one patient. The twin is a rerun: the
// patient is one of many.
func (g *gen) servicePerson(i, dose int) {
	tenant := i % len(g.h.Tenants)
	m := g.accounts[tenant][reminders]
	lo, hi := g.between()
	d := g.roll.count(lo, hi)
	c := &g.h.charts[g.everyone[tenant].draw(g.roll)]
	n := min(4+dose, 24)
	g.begin(ServicePerson, Incident, m, n, "looks at one patient over a day, at no rhythm, each by itself")
	for range n {
		t := micro(d)*day + g.roll.span(13*hour, 23*hour)
		g.view(m, t, operations, append([]int{c.row}, g.latest(c.bookings, t, 1)...)...)
	}
	g.finish()
	t := micro(g.roll.count(lo, hi))*day + 16*hour + 40*minute
	many := g.sample(tenant, appointments, t, 20+n)
	g.begin(ServicePerson, Twin, m, len(many), "the reminders ran again")
	var people []int
	for _, r := range many {
		people = append(people, g.h.charts[g.h.rows[r].chart].row)
	}
	g.view(m, t, operations, append(many, people...)...)
}
