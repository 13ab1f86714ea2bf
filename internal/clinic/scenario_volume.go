package clinic

// serviceOffList: accounts that do what they have not declared, and twins that do much of what they have.
func (g *gen) serviceOffList() {
	lo, hi := g.between()
	step := (hi - lo) / 6
	at := func(i int, h micro) micro { return micro(lo+i*step+g.roll.IntN(max(step, 1)))*day + h }
	tenant := func(i int) int { return i % len(g.h.Tenants) }

	w := g.accounts[0][warehouse]
	g.begin(ServiceOffList, Incident, w, 40, "exports notes, which it has not declared")
	t := at(0, 6*hour+20*minute)
	g.export(w, t, operations, g.sample(0, notes, t, 40)...)
	c := g.accounts[tenant(1)][claimsBatch]
	g.begin(ServiceOffList, Incident, c, 12, "views encounters at 14 UTC, declared for 3 to 6")
	t = at(2, 14*hour+10*minute)
	g.view(c, t, payment, g.sample(tenant(1), encounters, t, 12)...)
	r := g.accounts[tenant(2)][reminders]
	g.begin(ServiceOffList, Incident, r, 3, "modifies appointments, declared to view them")
	t = at(4, 16*hour+40*minute)
	for _, a := range g.sample(tenant(2), appointments, t, 3) {
		t = g.modify(r, t, operations, a)
	}

	g.begin(ServiceOffList, Twin, w, 600, "a backfill of encounters within the declared action, table and hours")
	t = at(3, 6*hour+5*minute)
	g.export(w, t, operations, g.sample(0, encounters, t, 600)...)
	c = g.accounts[0][claimsBatch]
	g.begin(ServiceOffList, Twin, c, 200, "a rerun of the claims batch within its hours")
	t = at(1, 5*hour)
	g.view(c, t, payment, g.sample(0, encounters, t, 200)...)
	r = g.accounts[tenant(1)][reminders]
	g.begin(ServiceOffList, Twin, r, 80, "a second run of the reminders")
	t = at(5, 18*hour)
	g.view(r, t, operations, g.sample(tenant(1), appointments, t, 80)...)
	g.finish()
}

// sample draws distinct records of a clinic that are known at t.
func (g *gen) sample(tenant int, tab table, t micro, n int) []int {
	var all []int
	for i := range g.h.rows {
		if r := &g.h.rows[i]; r.table == tab && r.tenant == tenant && r.created <= t &&
			r.created > t-60*day && !r.nobody {
			all = append(all, i)
		}
	}
	g.roll.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	return all[:min(n, len(all))]
}

// bulkReaders: one person reads many times what they usually do, each access explainable by itself. The twins:
// everybody of the role does on that day.
func (g *gen) bulkReaders() {
	used := map[int]bool{} // a busy day of the whole role must not hide a single reader's
	for i, v := range []struct {
		role  string
		times int
	}{{billing, 6}, {frontDesk, 7}, {records, 9}, {billing, 10}} {
		m := g.pick(i%2, v.role)
		d := g.bulkDay(used, m)
		if d < 0 {
			continue
		}
		list := g.explainable(m, d, g.bulk(m, v.times))
		g.begin(BulkReader, Incident, m, len(list),
			"distinct patients in a day, many times the own median; each access explainable alone")
		g.readAll(m, d, list)
		g.finish()
	}
	for i, role := range []string{billing, frontDesk} {
		team := g.whole(g.largest(role, i), role)
		if len(team) < 2 {
			continue
		}
		d := g.bulkDay(used, team...)
		for _, m := range team {
			if d < 0 {
				break
			}
			list := g.explainable(m, d, g.bulk(m, 7))
			g.begin(BulkReader, Twin, m, len(list),
				"distinct patients in a day on which everybody of the role is that busy")
			g.readAll(m, d, list)
			g.finish()
		}
	}
}

// bulk is many times a member's usual day, and in a large history, where days are quiet, the largest dose at least.
func (g *gen) bulk(m, times int) int {
	if doses := g.doses(); len(doses) > 1 {
		return max(times*g.usual(m), doses[len(doses)-1])
	}
	return times * g.usual(m)
}

// largest is the clinic with the most people of a role, up to ten, or the one after it.
func (g *gen) largest(role string, i int) int {
	best := len(g.h.Tenants) - 1
	for t := range g.h.Tenants {
		if n := len(g.team(t, role)); n > len(g.team(best, role)) && n <= 10 {
			best = t
		}
	}
	if next := (best + i) % len(g.h.Tenants); len(g.team(next, role)) > 1 {
		return next
	}
	return best
}

// whole is a team without those who come or go in the course of the history.
func (g *gen) whole(tenant int, role string) []int {
	var out []int
	for _, m := range g.atStart(tenant, role) {
		if g.h.members[m].last == never {
			out = append(out, m)
		}
	}
	return out
}

// bulkDay is an unused day on which all of the members work a full shift; -1: none.
func (g *gen) bulkDay(used map[int]bool, members ...int) int {
	lo, hi := g.between()
	for range 300 {
		d := g.roll.count(lo, hi)
		all := !used[d]
		for _, m := range members {
			all = all && g.fullness(m, d) > 0.8
		}
		if all {
			used[d] = true
			return d
		}
	}
	return -1
}

// explainable lists up to n encounters, claims or appointments of distinct patients that explain the member's look at
// them on a day.
func (g *gen) explainable(member, d, n int) []int {
	m := &g.h.members[member]
	t := micro(d)*day + 12*hour
	seen := map[int]bool{}
	var out []int
	for _, i := range g.roll.Perm(len(g.h.rows)) {
		r := &g.h.rows[i]
		if r.tenant != m.tenant || r.created > t || r.nobody || seen[r.chart] || len(out) == n {
			continue
		}
		fits := false
		switch m.role {
		case billing:
			fits = r.table == claims && r.provider == m.user && r.at > t-57*day
		case frontDesk:
			fits = r.table == appointments && r.at > t-6*day && r.at < t+28*day
		case records:
			fits = r.table == encounters && r.until > t-42*day && r.until < t
		}
		if fits {
			seen[r.chart] = true
			out = append(out, i)
		}
	}
	return out
}

// readAll opens the patient, or what explains the look, of each over one shift.
func (g *gen) readAll(member, d int, list []int) {
	from, to, _ := g.hours(&g.h.members[member], micro(d)*day+17*hour, 0)
	step := (to - from - hour) / micro(len(list)+1)
	for i, r := range list {
		t := from + 20*minute + micro(i)*step + g.roll.span(0, step)
		if g.h.members[member].role == records {
			g.view(member, t, operations, r)
			continue
		}
		g.view(member, t, g.purposeOf(member), g.h.charts[g.h.rows[r].chart].row)
	}
}
