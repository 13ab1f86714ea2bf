package clinic

import (
	"cmp"
	"slices"
)

// sessions puts the events in order of time, gives each member's work its sessions with a sign-in before and, more
// often than not, a sign-out after, and numbers the result. Another system's log says nothing of sessions.
func (g *gen) sessions() {
	g.roll = newDice(g.cfg.Seed, "sessions")
	g.current, g.forced = -1, true
	byMember := make([][]int, len(g.h.members))
	g.sort()
	for i := range g.h.events {
		if e := &g.h.events[i]; e.other {
			e.session = -1
		} else {
			byMember[e.member] = append(byMember[e.member], i)
		}
	}
	for m, list := range byMember {
		g.signIns(m, list)
	}
	g.sort()
}

// sort is by the time of the log. What it gets at the same microsecond stands in the order of the records' ids, which
// no stage decides.
func (g *gen) sort() {
	slices.SortFunc(g.h.events,
		func(a, b event) int { return cmp.Or(cmp.Compare(a.in, b.in), cmp.Compare(a.seq, b.seq)) })
}

// signIns splits a member's events where there is a long pause; list is in order of time.
func (g *gen) signIns(m int, list []int) {
	const pause, longest = 3 * hour, 11 * hour
	for first := 0; first < len(list); {
		opened := g.h.events[list[first]].at
		last := first
		for last+1 < len(list) {
			next := g.h.events[list[last+1]].at
			if next-g.h.events[list[last]].at > pause || next-opened > longest {
				break
			}
			last++
		}
		g.h.logins = append(g.h.logins, g.ids.uuid())
		session := len(g.h.logins) - 1
		for _, i := range list[first : last+1] {
			g.h.events[i].session = session
		}
		g.put(event{at: max(0, opened-g.roll.span(3*second, 30*second)), member: m, action: "sign_in", table: noTable,
			row: -1, ask: -1, session: session, cause: -1})
		if g.roll.chance(0.55) {
			closed := g.h.events[list[last]].at + g.roll.span(5*second, 2*minute)
			if end := g.h.members[m].terminated; closed < end {
				g.put(event{at: closed, member: m, action: "sign_out", table: noTable, row: -1, ask: -1,
					session: session, cause: -1})
			}
		}
		first = last + 1
	}
}
