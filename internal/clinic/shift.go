package clinic

import "time"

// shift is when somebody works, in minutes of the clinic's local day; a night's end is beyond the 1440th.
type shift struct {
	from, to int
	days     [7]bool // by time.Weekday, of the day on which the shift begins
	saturday bool    // 9 to 13
	away     [2]micro
}

func (g *gen) shift(role string) shift {
	s := shift{from: 8 * 60, to: 17 * 60, days: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}}
	switch role {
	case clinician, nurse:
		if g.roll.chance(0.3) {
			s.from, s.to = 12*60, 20*60
		}
		if g.roll.chance(0.4) {
			s.days[g.roll.count(1, 5)] = false
		}
	case frontDesk:
		if g.roll.chance(0.35) {
			s.from, s.to = 11*60, 20*60
		}
	default:
		s.from, s.to = 8*60+30, 16*60+30
	}
	if g.roll.chance(0.45) {
		from := g.roll.span(-20*day, micro(g.cfg.Days)*day)
		s.away = [2]micro{from, from + g.roll.span(5*day, 11*day)}
	}
	return s
}

// hours gives the shift on the local day that is offset days from the one of t; ok is false when it is a day off.
func (g *gen) hours(m *member, t micro, offset int) (from, to micro, ok bool) {
	zone := g.h.Tenants[m.tenant].Zone
	local := g.h.time(t).In(zone)
	y, mon, d := local.Date()
	midnight := time.Date(y, mon, d+offset, 0, 0, 0, 0, zone)
	first, last := m.shift.from, m.shift.to
	if m.shift.saturday && midnight.Weekday() == time.Saturday {
		first, last = 9*60, 13*60
	} else if !m.shift.days[midnight.Weekday()] {
		return 0, 0, false
	}
	y, mon, d = midnight.Date()
	from = g.h.micro(time.Date(y, mon, d, 0, first, 0, 0, zone))
	to = g.h.micro(time.Date(y, mon, d, 0, last, 0, 0, zone))
	if from < m.shift.away[1] && to > m.shift.away[0] || from < m.started || from >= m.last {
		return 0, 0, false
	}
	return from, min(to, m.last), true
}

func (g *gen) working(m *member, t micro) bool {
	for offset := m.shift.firstDay(); offset <= 0; offset++ {
		if from, to, ok := g.hours(m, t, offset); ok && from <= t && t < to {
			return true
		}
	}
	return false
}

// firstDay is the day, counted from that of a time, on which a shift that goes on at that time may have begun.
func (s *shift) firstDay() int {
	if s.to > 24*60 {
		return -1
	}
	return 0
}

// next is the first time at or after t when the member is at work; ok is false when that is more than ten days away, or
// never.
func (g *gen) next(index int, t micro) (at micro, ok bool) {
	m := &g.h.members[index]
	for i := m.shift.firstDay(); i < 11; i++ {
		from, to, works := g.hours(m, t, i)
		if !works || to-5*minute <= t {
			continue
		}
		if t >= from {
			return t, true
		}
		return min(from+g.roll.span(2*minute, 100*minute), to-5*minute), true
	}
	return 0, false
}

// later is next for what can wait: who comes back from leave or a weekend does not do all of it on the first day.
func (g *gen) later(index int, t micro) (at micro, ok bool) {
	m := &g.h.members[index]
	if away := m.shift.away; t >= away[0]-day && t < away[1] {
		t = away[1] + g.roll.span(0, 6*day)
	}
	if _, to, works := g.hours(m, t, 0); !works || t > to {
		t += g.roll.span(6*hour, 4*day)
	}
	return g.next(index, t)
}

// onDuty draws one of the members who work at t; -1: nobody.
func (g *gen) onDuty(team []int, t micro) int {
	start := 0
	if len(team) > 0 {
		start = g.roll.IntN(len(team))
	}
	for i := range team {
		m := team[(start+i)%len(team)]
		if g.working(&g.h.members[m], t) {
			return m
		}
	}
	return -1
}
