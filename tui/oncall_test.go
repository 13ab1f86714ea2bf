package tui

import (
	"testing"

	"github.com/ward-health/ward/internal/wardtest"
)

// An engineer without a grant is told how to take one, sees nothing else, and takes it in a dialog.
func TestOnCallIsTakenInTheTerminal(t *testing.T) {
	e := wardtest.New(t)
	addAnomaly(e, "cedar", "casey", "B", "high", "casey at cedar")
	addAnomaly(e, "harbor", "hugo", "B", "high", "hugo at harbor")
	if _, err := e.Reviewer("root").AddOnCall(t.Context(), "frank", "cedar", "November's rota"); err != nil {
		t.Fatal(err)
	}
	m := dbModel(t, e, "frank", 120, 40)
	settle(t, m, m.Init())
	for _, key := range []string{"1", "2", "3", "4", "r"} {
		do(t, m, key)
		mustShow(t, m, "You hold no grant.", "You are on call for cedar.", "ward oncall take TENANT")
	}
	do(t, m, "1", "T")
	mustShow(t, m, "Take an on-call grant")
	do(t, m, "tab")
	typing(t, m, "OPS-812")
	do(t, m, "tab")
	typing(t, m, "portal down")
	do(t, m, "tab", "tab", "enter")
	mustShow(t, m, "on call for cedar until", "a test rule")
	if text := screenText(m); wardtest.One[bool](e, "select $1 like '%hugo%'", text) {
		t.Errorf("another clinic's anomaly is shown:\n%s", text)
	}
	if _, ok := m.lookup(keyPress("T")); ok {
		t.Error("a grant can be taken while one is held")
	}
	if n := wardtest.One[int](e, "select count(*) from tenancy.reviewer_grant g join tenancy.users u "+
		"on u.id = g.user_id where u.slug = 'frank' and g.ticket = 'OPS-812' and g.ended_at is null"); n != 1 {
		t.Errorf("%d grants", n)
	}
}
