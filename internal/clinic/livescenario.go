package clinic

// scenarios plans the live misbehaviour and its twins.
func (l *live) scenarios() {
	l.otherClinic()
	l.afterTheLastDay()
	l.offList()
}

func (l *live) add(member int, scenario, kind string, dose int, note string, acts ...liveAct) {
	l.sessions = append(l.sessions,
		liveSession{member: member, scenario: scenario, kind: kind, dose: dose, note: note, acts: acts})
}

// otherClinic: the desk tries ids of another clinic; the twin works in two clinics and reads in each under its own
// membership.
func (l *live) otherClinic() {
	m := l.byLoad(frontDesk)[0]
	other := (l.h.members[m].tenant + 1) % len(l.h.Tenants)
	var acts []liveAct
	for _, c := range l.distinct(l.desk[other], 5) {
		acts = append(acts, liveAct{"read", patients, []int{l.h.charts[c].row}, operations})
	}
	l.add(m, CrossTenant, Incident, len(acts), "ids of another clinic's public.patients tried", acts...)
	for k := range l.h.members {
		who := &l.h.members[k]
		first := l.h.first(who.user)
		if first == k || who.role == service || len(l.ofTenant(l.own[who.user], who.tenant)) == 0 ||
			len(l.ofTenant(l.own[who.user], l.h.members[first].tenant)) == 0 {
			continue
		}
		for _, each := range []int{first, k} {
			l.add(each, CrossTenant, Twin, 3, "records of two clinics, each under its own membership",
				l.ordinary(each, 3)...)
		}
		return
	}
}

// afterTheLastDay: HR's date is past and nobody has terminated the membership; the twin's date is still ahead.
func (l *live) afterTheLastDay() {
	for k := range l.h.members {
		m := &l.h.members[k]
		kind, note := "", ""
		switch m.leaver {
		case leavesLive:
			kind, note = Incident, "patients opened days after HR's last day, the membership still open"
		case leavesSoon:
			kind, note = Twin, "HR's last day is known and still ahead"
		default:
			continue
		}
		var acts []liveAct
		for _, c := range l.distinct(l.ofTenant(l.own[m.user], m.tenant), 4) {
			acts = append(acts, l.read(treatment, c, patients, 1))
		}
		if len(acts) > 0 {
			l.add(k, Terminated, kind, len(acts), note, acts...)
		}
	}
}

// offList: the reminders account opens encounters, which it has not declared; the twin is a second run of what it has.
func (l *live) offList() {
	for k := range l.h.members {
		m := &l.h.members[k]
		if l.h.Users[m.user].Slug != services[reminders].slug || m.tenant > 1 {
			continue
		}
		if m.tenant == 0 {
			charts := l.distinct(l.desk[m.tenant], 40)
			var people, booked []int
			for _, c := range charts {
				people = append(people, l.h.charts[c].row)
				booked = append(booked, l.read(operations, c, appointments, 1).rows...)
			}
			l.add(k, ServiceOffList, Twin, len(booked), "a second run of the reminders",
				liveAct{"read", appointments, booked, operations}, liveAct{"read", patients, people, operations})
			continue
		}
		list := l.audits[m.tenant][:min(6, len(l.audits[m.tenant]))]
		l.add(k, ServiceOffList, Incident, len(list), "views encounters, which it has not declared",
			liveAct{"read", encounters, list, operations})
	}
}

// distinct draws up to n of the charts, none twice.
func (l *live) distinct(charts []int, n int) []int {
	seen := map[int]bool{}
	var out []int
	for _, i := range l.roll.Perm(len(charts)) {
		if c := charts[i]; !seen[c] && len(out) < n && l.h.rows[l.h.charts[c].row].created <= l.h.end {
			seen[c] = true
			out = append(out, c)
		}
	}
	return out
}
