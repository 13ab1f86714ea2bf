//go:build long

package controls_test

import (
	"strings"
	"testing"

	"github.com/ward-health/ward/controls"
)

// The backend is terminated behind each statement in turn: the database is as it was, every time.
func TestPlanKilledAnywhere(t *testing.T) {
	c := newCustomer(t)
	name := c.database(t)
	plan := c.whole(t, name)
	super := c.connect(t, "postgres", name)
	before := fingerprint(t, super)
	var statements []string
	for _, s := range plan.Statements {
		if !strings.HasPrefix(s, "--") {
			statements = append(statements, s)
		}
	}
	if len(statements) < 100 {
		t.Fatalf("%d statements", len(statements))
	}
	for k := range statements {
		victim := c.connect(t, "postgres", name)
		for _, s := range append([]string{"begin"}, statements[:k+1]...) {
			if _, err := victim.PgConn().Exec(t.Context(), s).ReadAll(); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		pid := victim.PgConn().PID()
		if !get[bool](t, super, "select pg_terminate_backend($1, 10000)", pid) {
			t.Fatalf("behind %q: the backend does not end", statements[k])
		}
		if after := fingerprint(t, super); after != before {
			t.Fatalf("half protected behind: %s", statements[k])
		}
		victim.Close(t.Context())
	}
	if err := c.psql(t, name, plan.SQL(false)); err != nil {
		t.Fatal(err)
	}
	if found, err := controls.Unprotected(t.Context(), c.connect(t, "ward_migrate", name)); err != nil ||
		len(found) > 0 {
		t.Fatalf("%v, %v", found, err)
	}
}
