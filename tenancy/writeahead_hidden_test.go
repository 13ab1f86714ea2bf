package tenancy_test

import (
	"testing"

	"github.com/google/uuid"
)

// Attempts that the attacker hides by a ROLLBACK: what stays on record, and what they learnt.
func TestWriteAheadHidden(t *testing.T) {
	s := newScene(t)
	casey, frank := s.token("casey@cedar"), s.token("frank@cedar")
	learnt := func(t *testing.T, d uuid.UUID) {
		t.Helper()
		if s.shows(t, casey, d, s.mine, "Canarycedar") {
			t.Fatal("shown")
		}
	}
	refusals := func() int { return s.events("action = 'refuse'") }
	t.Run("a refused begin that is committed is on record", func(t *testing.T) {
		before, a := refusals(), s.conn(t)
		if why := a.begin("no token", uuid.Nil); why != "bad_signature" {
			t.Fatalf("%q", why)
		}
		a.must("commit")
		if refusals() != before+1 {
			t.Fatal("no refuse event")
		}
	})
	t.Run("H1 remains: a refused begin that is rolled back leaves no refuse event", func(t *testing.T) {
		before, a := refusals(), s.conn(t)
		for range 3 {
			if why := a.begin("no token", uuid.Nil); why != "bad_signature" { // why is all that is learnt
				t.Fatalf("%q", why)
			}
			refused(t, a.try(readNames), "28000", "no identity")
			a.must("rollback")
		}
		if refusals() != before {
			t.Fatal("no longer: docs/SECURITY.md says it remains")
		}
	})
	t.Run("H2 remains: a denied disclose leaves no event, committed or not", func(t *testing.T) {
		before := s.events("true")
		for _, end := range []string{"commit", "rollback"} {
			d, note := uuid.New(), uuid.New()
			a := s.conn(t)
			a.accepted(frank, uuid.Nil)
			// their role's bounds, which they may know
			refused(t, a.try("select audit.disclose($1, 'public.notes', $2)", d, []uuid.UUID{note}), "42501",
				"front_desk may not view public.notes")
			a.must(end)
			learnt(t, d)
		}
		if s.events("true") != before {
			t.Fatal("no longer: docs/SECURITY.md says it remains")
		}
	})
	t.Run("an ask rolled back leaves nothing, and shows nothing", func(t *testing.T) {
		before, a, d := s.events("true"), s.conn(t), uuid.New()
		a.accepted(casey, d)
		a.must("select audit.disclose($1, 'public.patients', $2)", d, []uuid.UUID{s.mine})
		a.must("rollback")
		learnt(t, d)
		if s.events("true") != before {
			t.Fatal("an event of a transaction that never was")
		}
	})
	t.Run("a look rolled back keeps the event of its ask", func(t *testing.T) {
		a := s.conn(t)
		d := a.asked(casey, s.mine)
		a.accepted(casey, d)
		a.sees("Canarycedar")
		a.must("rollback")
		if n := s.events("action = 'view' and disclosure_id = $1 and record_id = $2", d, s.mine); n != 1 {
			t.Fatalf("%d events of a record that was shown", n)
		}
	})
}
