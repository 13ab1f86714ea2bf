package clinic

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// liveAct is one thing done in a live session.
type liveAct struct {
	kind    string // read, find, export, create
	table   table
	rows    []int
	purpose string
}

type liveSession struct {
	member   int
	scenario string // "": ordinary
	kind     string
	dose     int
	note     string
	acts     []liveAct
}

// live plans the sessions of Live.
type live struct {
	h        *History
	ids      dice
	roll     dice
	own      map[int][]int // user: charts that rows of their own, written by others, tie to them now
	desk     [][]int       // tenant: charts with an appointment around now
	billed   map[int][]int // user: charts with a claim of theirs
	audits   [][]int       // tenant: encounters a few days to a month old
	sessions []liveSession
}

// planLive is a function of the generated history and n alone. The records that the sessions will write stand behind
// the generated ones, in place of those of an earlier plan.
func (h *History) planLive(n int) *live {
	h.rows = h.rows[:h.generated]
	l := &live{h: h, ids: newDice(h.Config.Seed, "live ids"), roll: newDice(h.Config.Seed, "live"),
		own: map[int][]int{}, billed: map[int][]int{},
		desk: make([][]int, len(h.Tenants)), audits: make([][]int, len(h.Tenants))}
	for i := range h.rows {
		if r := &h.rows[i]; h.loadable(r) {
			l.index(i, r)
		}
	}
	if !h.Config.Clean {
		l.scenarios()
	}
	for i := 0; len(l.sessions) < n; i++ {
		if m := l.someone(i); m >= 0 {
			l.sessions = append(l.sessions, liveSession{member: m, acts: l.ordinary(m, l.roll.count(2, 4))})
		}
	}
	l.roll.Shuffle(len(l.sessions), func(a, b int) { l.sessions[a], l.sessions[b] = l.sessions[b], l.sessions[a] })
	return l
}

func (l *live) index(i int, r *row) {
	now := l.h.end
	switch r.table {
	case appointments:
		if r.at < now-20*day || r.at > now+10*day {
			return
		}
		if r.at > now-6*day {
			l.desk[r.tenant] = append(l.desk[r.tenant], r.chart)
		}
		if r.until > now && r.author != r.provider {
			l.own[r.provider] = append(l.own[r.provider], r.chart)
		}
	case claims:
		if r.at > now-40*day {
			l.billed[r.provider] = append(l.billed[r.provider], r.chart)
		}
	case encounters:
		if r.until > now-30*day && r.until < now-3*day {
			l.audits[r.tenant] = append(l.audits[r.tenant], i)
		}
	default:
	}
}

// someone draws a member who is there now; roles take turns.
func (l *live) someone(i int) int {
	turn := []string{clinician, frontDesk, nurse, billing, clinician, records, service}
	var team []int
	for k := range l.h.members {
		if m := &l.h.members[k]; m.role == turn[i%len(turn)] && m.last == never && m.started <= l.h.end && l.able(k) {
			team = append(team, k)
		}
	}
	if len(team) == 0 {
		return -1
	}
	return one(l.roll, team)
}

// able: there is ordinary work for the member. Of the services only the portal has a person's rhythm.
func (l *live) able(k int) bool {
	m := &l.h.members[k]
	switch m.role {
	case service:
		return l.h.Users[m.user].Slug == services[portal].slug
	case clinician, nurse:
		return len(l.ofTenant(l.own[m.user], m.tenant)) > 0
	case billing:
		return len(l.ofTenant(l.billed[m.user], m.tenant)) > 0
	case records:
		return len(l.audits[m.tenant]) > 0
	default:
		return len(l.desk[m.tenant]) > 0
	}
}

func (l *live) ofTenant(charts []int, tenant int) []int {
	var out []int
	for _, c := range charts {
		if l.h.charts[c].tenant == tenant && l.h.rows[l.h.charts[c].row].created <= l.h.end {
			out = append(out, c)
		}
	}
	return out
}

// ordinary is a member's work with n patients, each explained as the package comment says.
func (l *live) ordinary(k, n int) []liveAct {
	m := &l.h.members[k]
	var acts []liveAct
	for range n {
		switch m.role {
		case clinician:
			acts = append(acts, l.care(one(l.roll, l.ofTenant(l.own[m.user], m.tenant)), 2, m, notes)...)
		case nurse:
			acts = append(acts, l.care(one(l.roll, l.ofTenant(l.own[m.user], m.tenant)), 1, m, messages)...)
		case frontDesk:
			c := one(l.roll, l.desk[m.tenant])
			acts = append(acts, liveAct{"find", patients, []int{l.h.charts[c].row}, operations},
				l.read(operations, c, appointments, 1))
		case billing:
			c := one(l.roll, l.ofTenant(l.billed[m.user], m.tenant))
			acts = append(acts, l.read(payment, c, patients, 1), l.read(payment, c, claims, 1))
		case records:
			acts = append(acts, liveAct{"read", encounters, []int{one(l.roll, l.audits[m.tenant])}, operations})
		default:
			c := one(l.roll, l.desk[m.tenant])
			to := &l.h.members[l.h.charts[c].clinician]
			acts = append(acts, liveAct{kind: "create", table: messages,
				rows: []int{l.fresh(messages, c, to.user, true)}})
		}
	}
	return slices.DeleteFunc(acts, func(a liveAct) bool { return len(a.rows) == 0 })
}

// care reads a chart and sometimes writes to it.
func (l *live) care(c, deep int, m *member, writes table) []liveAct {
	acts := []liveAct{l.read(treatment, c, patients, 1), l.read(treatment, c, encounters, deep),
		l.read(treatment, c, notes, deep)}
	if l.roll.chance(0.4) {
		acts = append(acts, liveAct{kind: "create", table: writes, rows: []int{l.fresh(writes, c, m.user, false)}})
	}
	return acts
}

// read names up to n of a chart's newest records; with none it is dropped.
func (l *live) read(purpose string, chart int, t table, n int) liveAct {
	c := &l.h.charts[chart]
	list := map[table][]int{patients: {c.row}, encounters: c.encounters, notes: c.notes, appointments: c.bookings,
		claims: c.claimsRows}[t]
	var rows []int
	for _, r := range slices.Backward(list) {
		if l.h.rows[r].created <= l.h.end && len(rows) < n {
			rows = append(rows, r)
		}
	}
	return liveAct{"read", t, rows, purpose}
}

// fresh adds a record that a live session will write.
func (l *live) fresh(t table, chart, user int, fromPatient bool) int {
	l.h.rows = append(l.h.rows, row{id: l.ids.uuid(), table: t, tenant: l.h.charts[chart].tenant, chart: chart,
		provider: user, author: -1, encounter: -1, created: never, until: never, fromPatient: fromPatient})
	return len(l.h.rows) - 1
}

// LiveDigest is the digest of what Live with n sessions will do: the sequence of (actor's slug, action, record ordinal,
// place), which no clock enters.
func (h *History) LiveDigest(n int) string {
	l := h.planLive(n)
	sum := sha256.New()
	place := micro(0)
	for _, s := range l.sessions {
		for _, a := range s.acts {
			for _, r := range a.rows {
				digestOne(sum, h.Users[h.members[s.member].user].Slug, a.kind, r, place, 0)
				place++
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// byLoad orders members by how many charts are theirs now, most first, so that a scenario finds enough of them.
func (l *live) byLoad(role string) []int {
	var out []int
	for k := range l.h.members {
		if m := &l.h.members[k]; m.role == role && m.last == never && m.started <= 0 {
			out = append(out, k)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int {
		return cmp.Compare(len(l.own[l.h.members[b].user]), len(l.own[l.h.members[a].user]))
	})
	return out
}
