package clinic

// enumerator: the desk's patients one by one, within seconds of each other. The twin shows as many in one list.
func (g *gen) enumerator(i, dose int) {
	n := min(10+dose, 45)
	for _, kind := range []string{Incident, Twin} {
		m := g.pick(i, frontDesk)
		t, ok := g.moment(m, 2*hour)
		list := g.explainable(m, int(t/day), n)
		i++
		if !ok || len(list) < 8 {
			continue
		}
		var rows []int
		for _, r := range list {
			rows = append(rows, g.h.charts[g.h.rows[r].chart].row)
		}
		if kind == Twin {
			g.begin(Enumerator, kind, m, len(rows), "patients in one list")
			g.view(m, t, operations, rows...)
			g.finish()
			continue
		}
		g.begin(Enumerator, kind, m, len(rows), "patients one by one, a second or two apart; each explainable alone")
		g.stays(i)
		for k, r := range rows {
			g.view(m, g.pace(i, m, t, k, len(rows), second), operations, r)
		}
		g.finish()
	}
}

// nightReader: own patients between two and four, by somebody who works days, with no call and no visit near. The twin
// is on call.
func (g *gen) nightReader(i, dose int) {
	dose = min(dose, 6)
	for _, kind := range []string{Incident, Twin} {
		m := g.pick(i, clinician)
		who := &g.h.members[m]
		t, ok := g.moment(m, hour)
		i++
		if !ok {
			continue
		}
		t = g.clock(who.tenant, int(t/day), 2*60) + g.roll.span(0, 40*minute)
		own := g.ownPatients(who.user, who.tenant, t)
		own = own[:min(dose, len(own))]
		if len(own) == 0 {
			continue
		}
		if kind == Twin {
			g.begin(NightReader, kind, m, len(own), "calls of the night")
			for k, id := range own {
				g.nightCall(m, id, t+micro(k)*12*minute)
			}
		} else {
			g.begin(NightReader, kind, m, len(own), "own patients between two and four at night, for no call")
			g.hidden("")
			for k, id := range own {
				at := t + micro(k)*5*minute
				g.view(m, at, treatment, g.pages(id, at, 1, 2)...)
			}
		}
		g.finish()
	}
}

// dormant: the account of somebody who is away for weeks opens charts. The twin is back, and the first day is full.
func (g *gen) dormant() {
	doses := []int{10, 3, 30, 50}
	for k, m := range g.leaves {
		who := &g.h.members[m]
		dose, incident := doses[k/2%len(doses)], k%2 == 1
		start := who.shift.away[0] + 48*day
		if !incident {
			start = who.shift.away[1]
		}
		if start > micro(g.cfg.Days-8)*day {
			continue // nobody is away long enough in a short history
		}
		t := g.clock(who.tenant, g.workday(int(start/day)+1), 10*60) + g.roll.span(0, 3*hour)
		if !incident {
			var ok bool
			if t, ok = g.next(m, start+6*hour); !ok {
				continue
			}
		}
		list := g.strangers(m, t, dose, g.everybody(m))
		if incident {
			g.begin(Dormant, Incident, m, len(list), "the account of somebody who is away since weeks")
		} else {
			g.begin(Dormant, Twin, m, len(list), "the first day back, with appointments")
			for _, id := range list {
				g.standIn(m, t, id)
			}
		}
		g.visitAll(m, t, list)
	}
}

// exporter: a clinician who exports for the first time, or the records office's exports that no patient asked for. The
// twins: exports that patients asked for, and an extra run of the warehouse.
func (g *gen) exporter(i, dose int) {
	n := max(4, dose)
	m := g.pick(i, []string{records, clinician}[i%2])
	who := &g.h.members[m]
	if t, ok := g.moment(m, 3*hour); ok {
		g.begin(Exporter, Incident, m, n, "exports that nobody asked for, by an account that exports little or never")
		g.stays(i)
		list := g.ownPatients(who.user, who.tenant, t)
		for k := range n {
			id := g.everyone[who.tenant].draw(g.roll)
			if who.role == clinician && k < len(list) {
				id = list[k]
			} else if who.role == clinician {
				break
			}
			at := g.pace(i, m, t, k, n, 2*minute)
			g.export(m, at, g.purposeOf(m), g.pages(id, at, 2, 3)...)
		}
		g.finish()
	}
	if w := g.accounts[0][warehouse]; i%2 == 1 {
		t := micro(g.roll.count(g.between()))*day + 6*hour + 40*minute
		list := g.sample(0, encounters, t, 4*n)
		g.begin(Exporter, Twin, w, len(list), "an extra run of the warehouse's export, within its list")
		g.export(w, t, operations, list...)
		return
	}
	m = g.pick(i+1, records)
	t, ok := g.moment(m, 3*hour)
	if !ok {
		return
	}
	g.begin(Exporter, Twin, m, n, "exports for patients who asked for them")
	for k := range n {
		g.release(m, g.everyone[g.h.members[m].tenant].draw(g.roll), t+micro(k)*2*minute)
	}
}

// emptySearches: names tried one after the other that find nobody. The twin's callers are found.
func (g *gen) emptySearches(i, dose int) {
	n := 8 + min(2*dose, 60)
	for _, kind := range []string{Incident, Twin} {
		m := g.pick(i, frontDesk)
		t, ok := g.moment(m, 3*hour)
		list := g.explainable(m, int(t/day), n)
		i++
		if !ok || len(list) < 8 {
			continue
		}
		if kind == Twin {
			g.begin(EmptySearches, kind, m, n, "searches for those who call: a name mistyped now and then, then found")
			callers := list[:min(len(list), 20)]
			for k := range n {
				at := t + micro(k)*2*minute
				if r := callers[k%len(callers)]; k%3 == 1 {
					g.search(m, at, operations)
				} else {
					g.search(m, at, operations, g.h.charts[g.h.rows[r].chart].row)
				}
			}
		} else {
			g.begin(EmptySearches, kind, m, n, "searches that find nobody")
			g.stays(i)
			for k := range n {
				g.search(m, g.pace(i, m, t, k, n, 40*second), operations)
			}
		}
		g.finish()
	}
}
