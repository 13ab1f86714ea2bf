package clinic

const (
	treatment      = "treatment"
	payment        = "payment"
	operations     = "operations"
	patientRequest = "patient_request"
	breakGlass     = "break_glass"
)

// put appends an event if it falls into the history and the member's employment; it returns its place in order of
// generation, or -1. Nobody opens a chart of their own in the course of work: a colleague does it for them.
func (g *gen) put(e event) int {
	m := &g.h.members[e.member]
	if e.at < 0 || e.at > g.h.end ||
		!g.forced && (e.at < m.started || e.at >= m.last || e.row >= 0 && g.own(m.user, e.row)) {
		return -1
	}
	e.in, e.seq, e.label = e.at, len(g.h.events), g.current
	g.happened = g.happened || g.current >= 0
	g.h.events = append(g.h.events, e)
	return e.seq
}

// ask makes a disclosure id for events from t on.
func (g *gen) ask(t micro) int {
	if t < 0 || t > g.h.end {
		return -1
	}
	g.h.asks = append(g.h.asks, g.ids.uuid())
	return len(g.h.asks) - 1
}

// tick is the time between two events of one statement.
func (g *gen) tick() micro { return g.roll.span(15, 90) }

// view asks for records, table by table, as audit.disclose does, and returns when that is done. Records that are not
// there yet are left out.
func (g *gen) view(member int, t micro, purpose string, rows ...int) micro {
	return g.read(member, t, "view", purpose, rows)
}

func (g *gen) read(member int, t micro, action, purpose string, rows []int) micro {
	last, ask := noTable, -1
	for _, r := range rows {
		rec := &g.h.rows[r]
		if rec.created > t {
			continue
		}
		if rec.table != last {
			if last != noTable {
				t += g.roll.span(2*second, 40*second)
			}
			last, ask = rec.table, g.ask(t)
		}
		g.put(event{at: t, member: member, action: action, table: rec.table, row: r, purpose: purpose, ask: ask,
			subject: rec.table == patients, cause: -1})
		t += g.tick()
	}
	return t + second
}

// search is audit.find by a name: the search, and one view for each record found.
func (g *gen) search(member int, t micro, purpose string, found ...int) micro {
	ask := g.ask(t)
	g.put(event{at: t, member: member, action: "search", table: patients, row: -1, purpose: purpose,
		ask: ask, cause: -1})
	t += g.roll.span(3000, 20000)
	for _, r := range found {
		if g.h.rows[r].created <= t {
			g.put(event{at: t, member: member, action: "view", table: patients, row: r, purpose: purpose, ask: ask,
				subject: true, cause: -1})
			t += g.tick()
		}
	}
	return t + g.roll.span(2*second, 20*second)
}

func (g *gen) create(member int, t micro, r int) micro {
	g.put(event{at: t, member: member, action: "create", table: g.h.rows[r].table, row: r, subject: true,
		ask: -1, cause: -1})
	return t + g.roll.span(second, 5*second)
}

// modify needs a disclosure first, like any change of an existing record.
func (g *gen) modify(member int, t micro, purpose string, r int) micro {
	t = g.view(member, t, purpose, r)
	g.put(event{at: t, member: member, action: "modify", table: g.h.rows[r].table, row: r, subject: true,
		ask: -1, cause: -1})
	return t + g.roll.span(second, 5*second)
}

// export is audit.export: one event per record and one for each export.
func (g *gen) export(member int, t micro, purpose string, rows ...int) {
	for len(rows) > 0 {
		n := 0
		for n < len(rows) && g.h.rows[rows[n]].table == g.h.rows[rows[0]].table {
			n++
		}
		ask := g.ask(t)
		for _, r := range rows[:n] {
			g.put(event{at: t, member: member, action: "export", table: g.h.rows[r].table, row: r, purpose: purpose,
				ask: ask, subject: g.h.rows[r].table == patients, cause: -1})
			t += g.tick()
		}
		g.put(event{at: t, member: member, action: "export", table: g.h.rows[rows[0]].table, row: -1, purpose: purpose,
			ask: ask, records: n, cause: -1})
		t += g.roll.span(second, 10*second)
		rows = rows[n:]
	}
}

// latest gives up to n of a chart's records that are known at t, newest first.
func (g *gen) latest(list []int, t micro, n int) []int {
	var out []int
	for i := len(list) - 1; i >= 0 && len(out) < n && i >= len(list)-12; i-- {
		if g.h.rows[list[i]].created <= t {
			out = append(out, list[i])
		}
	}
	return out
}

// pages is what one reads of a chart: the patient, encounters, notes.
func (g *gen) pages(id int, t micro, nEncounters, nNotes int) []int {
	c := &g.h.charts[id]
	out := []int{c.row}
	out = append(out, g.latest(c.encounters, t, nEncounters)...)
	return append(out, g.latest(c.notes, t, nNotes)...)
}

// own: the record is of the user as a patient.
func (g *gen) own(user, r int) bool {
	rec := &g.h.rows[r]
	return !rec.nobody && g.h.charts[rec.chart].person == user
}
