package clinic

import (
	"testing"
	"time"
)

// Shifts follow the clinic's own clock over both changes of the clock and in every zone: somebody who begins at eight
// begins at eight, and a night that has an hour more or less is that much longer or shorter.
func TestShiftsFollowTheClockOfTheClinic(t *testing.T) {
	weekdays := [7]bool{true, true, true, true, true, true, true}
	for _, v := range []struct {
		now    time.Time
		change string
		night  time.Duration // of the night in which the clock changes
	}{
		{time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC), "2026-11-01", 9 * time.Hour},
		{time.Date(2026, 4, 10, 15, 0, 0, 0, time.UTC), "2026-03-08", 7 * time.Hour},
	} {
		cfg := small(1)
		cfg.Now, cfg.Clinics = v.now, 8
		g := newGen(cfg.WithDefaults())
		g.directory()
		changed := 0
		for tenant := range g.h.Tenants {
			zone := g.h.Tenants[tenant].Zone
			by := &member{tenant: tenant, started: -day, last: never,
				shift: shift{from: 8 * 60, to: 17 * 60, days: weekdays}}
			night := &member{tenant: tenant, started: -day, last: never,
				shift: shift{from: 22 * 60, to: 30 * 60, days: weekdays}}
			for d := 1; d < 39; d++ {
				from, to, ok := g.hours(by, micro(d)*day+17*hour, 0)
				a, b := g.h.time(from).In(zone), g.h.time(to).In(zone)
				if !ok || a.Format("15:04") != "08:00" || b.Format("15:04") != "17:00" || g.working(by, from-minute) ||
					!g.working(by, from) || g.working(by, to) {
					t.Fatalf("%s: a day from eight to five is from %s to %s", zone, a, b)
				}
				from, to, ok = g.hours(night, micro(d)*day+17*hour, 0)
				a, b = g.h.time(from).In(zone), g.h.time(to).In(zone)
				want := 8 * time.Hour
				if b.Format(time.DateOnly) == v.change {
					want = v.night
					changed++
				}
				if !ok || a.Format("15:04") != "22:00" || b.Format("15:04") != "06:00" || b.Sub(a) != want ||
					!g.working(night, to-minute) || g.working(night, to) {
					t.Fatalf("%s: a night from ten to six is from %s to %s, want %s", zone, a, b, want)
				}
			}
		}
		if changed != len(g.h.Tenants) {
			t.Errorf("the clock changed on %s in %d of %d zones", v.change, changed, len(g.h.Tenants))
		}
	}
}

// Nobody but who is on call, works nights or documents late is at work at three, by the clinic's clock, before and
// after the clock changes.
func TestNightsAreQuiet(t *testing.T) {
	cfg := small(2)
	cfg.Clean = true
	h := Generate(cfg)
	at3, all := 0, 0
	for i := range h.events {
		e := &h.events[i]
		m := &h.members[e.member]
		if m.role == service || e.row < 0 {
			continue
		}
		all++
		if local := h.time(e.at).In(h.Tenants[m.tenant].Zone); local.Hour() >= 1 && local.Hour() < 5 {
			at3++
			if m.role != clinician && m.role != nurse {
				t.Fatalf("a %s is at work at %s", m.role, local)
			}
		}
	}
	if at3 == 0 || at3 > all/50 {
		t.Errorf("%d of %d events lie between one and five", at3, all)
	}
}
