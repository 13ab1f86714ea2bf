package wardtest_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/tenancy"
)

// The whole way of one record: written, asked for, read.
func TestRoundTrip(t *testing.T) {
	e := wardtest.New(t)
	s := e.App("casey", "cedar")
	id := e.Patient(s, "cedar", "Okonkwo")
	var name string
	err := s.Read(t.Context(), tenancy.Ask{Table: "public.patients", IDs: []uuid.UUID{id}, Purpose: "treatment"},
		tenancy.Do("select last_name from phi.patients").Scan(&name))
	if err != nil || name != "Okonkwo" {
		t.Fatalf("read %q, %v", name, err)
	}
	for _, who := range []string{"root", "dana", "eli", "ana", "omar"} {
		if p, err := e.Reviewer(who).Whoami(t.Context()); err != nil || p.Slug != who {
			t.Fatalf("whoami of %s: %+v, %v", who, p, err)
		}
	}
}

func TestSQLText(t *testing.T) {
	part := wardtest.SQLText(" and f(a, b) is null")
	for text, want := range map[string]bool{
		"x and f(a, b) is null":                   true,
		"x\n  and f(\n    a,\n    b\n  ) is null": true,
		"x and f(a, c) is null":                   false,
		"x and f(a, b) isnull":                    false,
	} {
		if part.MatchString(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
