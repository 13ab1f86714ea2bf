package clinic

import (
	"fmt"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // shifts are local time, also on a machine without a zone database

	"github.com/google/uuid"
)

// leaving is how a membership ends.
type leaving uint8

const (
	stays         leaving = iota
	leavesLate            // HR's date first, the termination days later, no access in between
	leavesSame            // terminated on HR's date
	leavesAbusing         // accesses between HR's date and the termination
	leavesLive            // HR's date is past, the membership still open when the history ends
	leavesSoon            // HR's date is known and a few days ahead
)

// leavers and joiners come on top of Config.Staff. A joiner takes the place of the leaver of the same line.
var turnover = []struct {
	role   string
	how    leaving
	joiner bool
}{
	{clinician, leavesAbusing, true}, {billing, leavesAbusing, false}, {nurse, leavesAbusing, true},
	{clinician, leavesLate, false}, {frontDesk, leavesLate, true}, {nurse, leavesSame, false},
	{billing, leavesLate, false},
	{clinician, leavesLive, false}, {nurse, leavesSoon, false},
}

// directory makes clinics, people and service accounts, and who works where and when.
func (g *gen) directory() {
	g.roll = newDice(g.cfg.Seed, "directory")
	taken := map[string]int{}
	sizes := make([]float64, g.cfg.Clinics)
	total := 0.0
	for i := range sizes {
		sizes[i] = math.Pow(float64(i+1), -0.85)
		total += sizes[i]
		g.h.Tenants = append(g.h.Tenants, g.tenant(i))
	}
	g.staff, g.accounts = make([][]int, g.cfg.Clinics), make([][]int, g.cfg.Clinics)
	left := g.cfg.Staff
	for i := g.cfg.Clinics - 1; i >= 0; i-- {
		n := max(7, int(math.Round(float64(g.cfg.Staff)*sizes[i]/total)))
		if i == 0 {
			n = max(7, left)
		}
		left -= n
		g.hire(i, n, taken)
	}
	g.affiliateTwice()
	for round := range g.rounds() {
		g.turnOver(taken, round)
	}
	g.onLeave(taken)
	g.technicians(taken)
	for _, r := range reviewers {
		g.h.Users = append(g.h.Users, User{ID: g.ids.uuid(), Slug: r.slug, Name: r.name, Kind: "human", Reviewer: true})
	}
	g.automate()
}

func (g *gen) tenant(i int) Tenant {
	known := clinicNames[i%len(clinicNames)]
	slug, name := known.slug, known.name
	if i >= len(clinicNames) {
		slug, name = fmt.Sprintf("%s-%d", slug, i/len(clinicNames)+1), fmt.Sprintf("%s %d", name, i/len(clinicNames)+1)
	}
	zone, err := time.LoadLocation(known.zone)
	if err != nil {
		zone = time.UTC // cannot be: the database is compiled in
	}
	return Tenant{ID: g.ids.uuid(), Slug: slug, Name: name, Zone: zone}
}

// person invents one; taken keeps slugs apart.
func (g *gen) person(taken map[string]int) int {
	n := len(g.h.Users)
	first, last := firstNames[(n*7+g.roll.IntN(5))%len(firstNames)], lastNames[(n*17+3)%len(lastNames)]
	slug := strings.ToLower(first[:1] + "." + strings.ReplaceAll(last, "-", ""))
	taken[slug]++
	if taken[slug] > 1 {
		slug = fmt.Sprintf("%s%d", slug, taken[slug])
	}
	g.h.Users = append(g.h.Users, User{ID: g.ids.uuid(), Slug: slug, Name: first + " " + last, Kind: "human"})
	return n
}

// join makes a user a member of a clinic.
func (g *gen) join(user, tenant int, role string, started micro, s shift) int {
	g.h.members = append(g.h.members, member{id: g.ids.uuid(), user: user, tenant: tenant, role: role, started: started,
		last: never, terminated: never, shift: s})
	return len(g.h.members) - 1
}

func (g *gen) hire(tenant, n int, taken map[string]int) {
	rest := n
	counts := map[string]int{}
	for _, s := range staffing[1:] {
		counts[s.role] = max(s.least, int(math.Round(float64(n)*s.share)))
		rest -= counts[s.role]
	}
	counts[clinician] = max(rest, staffing[0].least)
	for _, s := range staffing {
		for i := range counts[s.role] {
			shift := g.shift(s.role)
			if i == 0 && (s.role == clinician || s.role == nurse || s.role == frontDesk) {
				shift.saturday = true
			}
			if s.role == nurse && i > 2 && i%4 == 3 {
				shift.from, shift.to = 22*60, 30*60
			}
			g.staff[tenant] = append(g.staff[tenant],
				g.join(g.person(taken), tenant, s.role, -g.roll.span(100*day, 1500*day), shift))
		}
	}
}

// affiliateTwice gives clinicians of the first clinics mornings there and afternoons at the next one, whose zone is not
// east of it.
func (g *gen) affiliateTwice() {
	for t := range min(2, len(g.h.Tenants)-1) {
		team := g.team(t, clinician)
		for _, m := range team[1 : 2+len(team)/40] {
			first := &g.h.members[m]
			first.shift = shift{from: 8 * 60, to: 12*60 + 30, days: [7]bool{1: true, 2: true, 3: true, 4: true}}
			second := shift{from: 14 * 60, to: 18 * 60, days: [7]bool{2: true, 4: true, 5: true}}
			g.staff[t+1] = append(g.staff[t+1], g.join(first.user, t+1, clinician, first.started/2, second))
		}
	}
}

// onLeave adds clinicians who are away for seven weeks and more. The last of them are not back when the history ends.
func (g *gen) onLeave(taken map[string]int) {
	for i := range 2 * g.rounds() * len(g.doses()) {
		tenant := i / 2 % len(g.h.Tenants)
		s := g.shift(clinician)
		s.from, s.to, s.days, s.away = 8*60, 17*60, [7]bool{1: true, 2: true, 3: true, 4: true, 5: true},
			[2]micro{micro(g.cfg.Days) * day / 30, never}
		if back := s.away[0] + 49*day + g.roll.span(0, 5*day); i%2 == 0 && back < micro(g.cfg.Days-7)*day {
			s.away[1] = back
		}
		m := g.join(g.person(taken), tenant, clinician, -g.roll.span(200*day, 900*day), s)
		g.staff[tenant] = append(g.staff[tenant], m)
		g.leaves = append(g.leaves, m)
	}
}

// rounds is how often what a small history has once comes in this one: once for every 500 people.
func (g *gen) rounds() int { return max(1, g.cfg.Staff/500) }

// technicians keep the computers and have no right to any record.
func (g *gen) technicians(taken map[string]int) {
	for t := range g.h.Tenants {
		for range 1 + len(g.staff[t])/60 {
			g.staff[t] = append(g.staff[t],
				g.join(g.person(taken), t, technician, -g.roll.span(100*day, 1500*day), g.shift(technician)))
		}
	}
}

// turnOver adds a round of leavers and joiners; only the first two have those who come back.
func (g *gen) turnOver(taken map[string]int, round int) {
	for i, v := range turnover {
		tenant := (i + round) % len(g.h.Tenants)
		if round > 1 && v.how == leavesAbusing || round > 0 && v.how == leavesLive {
			v.how = leavesLate
		}
		s := g.shift(v.role)
		s.from, s.to, s.away = 8*60, 17*60, [2]micro{}
		m := g.join(g.person(taken), tenant, v.role, -g.roll.span(200*day, 900*day), s)
		g.staff[tenant] = append(g.staff[tenant], m)
		lo, hi := g.cfg.Days*2/5, g.cfg.Days-10
		g.leave(m, lo+(hi-lo)*i/len(turnover)+g.roll.IntN(3), v.how)
		if v.joiner {
			from := g.h.micro(g.h.members[m].ended) + g.roll.span(3*day, 9*day)
			g.staff[tenant] = append(g.staff[tenant], g.join(g.person(taken), tenant, v.role, from, g.shift(v.role)))
		}
	}
}

// leave ends a membership around a day, on one that the person worked: HR's date ends at midnight UTC.
func (g *gen) leave(index, dayOf int, how leaving) {
	m := &g.h.members[index]
	switch how {
	case leavesLive:
		dayOf = g.cfg.Days - 3
	case leavesSoon:
		dayOf = g.cfg.Days + 5
	default:
	}
	date := micro(dayOf) * day
	for !g.working(m, date+18*hour) {
		date -= day
	}
	m.leaver, m.ended, m.last = how, g.h.time(date), date+23*hour+30*minute
	switch how {
	case leavesSame:
		m.terminated = date + 21*hour
		m.last = m.terminated - 10*minute
	case leavesLive, leavesSoon:
	default:
		m.terminated = date + g.roll.span(2*day, 9*day) + 15*hour // HR's feed is slow
	}
}

// automate adds the service accounts and the person who answers for them.
func (g *gen) automate() {
	g.h.Users = append(g.h.Users, User{ID: g.ids.uuid(), Slug: "i.novak", Name: "Irena Novak", Kind: "human"})
	for t := range g.h.Tenants {
		g.accounts[t] = []int{-1, -1, -1, -1}
	}
	for i, s := range services {
		g.h.Users = append(g.h.Users, User{ID: g.ids.uuid(), Slug: s.slug, Name: s.name, Kind: service})
		for t := range g.h.Tenants {
			if !s.largestOnly || t == 0 {
				g.accounts[t][i] = g.join(len(g.h.Users)-1, t, service, -300*day, shift{})
			}
		}
	}
}

// owner is the user who answers for the service accounts.
func (h *History) owner() uuid.UUID {
	for i := range h.Users {
		if h.Users[i].Slug == "i.novak" {
			return h.Users[i].ID
		}
	}
	return uuid.Nil
}

// team lists a clinic's members of a role.
func (g *gen) team(tenant int, role string) []int {
	var out []int
	for _, m := range g.staff[tenant] {
		if g.h.members[m].role == role {
			out = append(out, m)
		}
	}
	return out
}

// atStart lists those of a role who are there before the history begins.
func (g *gen) atStart(tenant int, role string) []int {
	var out []int
	for _, m := range g.team(tenant, role) {
		if g.h.members[m].started < 0 {
			out = append(out, m)
		}
	}
	return out
}
