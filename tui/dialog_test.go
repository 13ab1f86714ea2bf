package tui

import (
	"context"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/tenancy"
)

// typing enters text as single keys.
func typing(t testing.TB, m *model, s string) {
	t.Helper()
	for _, r := range s {
		press(t, m, string(r))
	}
}

func screenText(m *model) string { return ansi.Strip(m.View().Content) }

func TestEnterOnCancelDoesNothing(t *testing.T) {
	for name, open := range map[string]func() *model{
		"terminate": func() *model { return goldenTerminate(t, 120, 40) },
		"close": func() *model {
			m := goldenQueue(120, 40)
			press(t, m, "x")
			return m
		},
		"escalate": func() *model {
			m := goldenQueue(120, 40)
			press(t, m, "e")
			return m
		},
	} {
		m := open()
		if m.form() == nil {
			t.Fatalf("%s: no dialog", name)
		}
		if cmd := press(t, m, "enter"); cmd != nil {
			t.Errorf("%s: Enter at once performs something", name)
		}
		if m.form() != nil {
			t.Errorf("%s: the dialog is still open", name)
		}
	}
}

func TestTerminateWantsTheRightID(t *testing.T) {
	m := goldenTerminate(t, 120, 40)
	press(t, m, "tab")
	typing(t, m, "contract ended")
	press(t, m, "tab", "tab")
	for _, wrong := range []string{"000000", short(m.members.all[0].UserID, 5)} {
		press(t, m, "ctrl+u")
		typing(t, m, wrong)
		press(t, m, "tab", "tab") // Cancel, then the deed
		if cmd := press(t, m, "enter"); cmd != nil {
			t.Fatalf("%s is sent to the database", wrong)
		}
		if !strings.Contains(screenText(m), "not the start of this person's user id") {
			t.Errorf("it does not say what is wrong:\n%s", screenText(m))
		}
	}
	press(t, m, "ctrl+u")
	typing(t, m, short(m.members.all[0].UserID, 6))
	press(t, m, "tab", "tab")
	if cmd := press(t, m, "enter"); cmd == nil {
		t.Errorf("the right id is refused:\n%s", screenText(m))
	}
}

func TestTerminateWantsAReasonAndADate(t *testing.T) {
	m := goldenTerminate(t, 120, 40)
	f := m.form()
	id := short(m.members.all[0].UserID, 6)
	for _, c := range []struct{ reason, ended, says string }{{"no", "", "reason of at least four"},
		{"left us", "19.11.2026", "is no date"}} {
		for i, s := range []string{c.reason, c.ended, id} {
			f.fields[i].in.set(s)
		}
		if cmd := f.submit(m); cmd != nil || !strings.Contains(f.wrong, c.says) {
			t.Errorf("%+v: %q", c, f.wrong)
		}
	}
}

func TestCloseWantsADisposition(t *testing.T) {
	m := goldenQueue(120, 40)
	press(t, m, "x")
	f := m.form()
	f.fields[1].in.set("a good reason")
	if cmd := f.submit(m); cmd != nil || !strings.Contains(f.wrong, "choose one") {
		t.Errorf("closed without a disposition: %q", f.wrong)
	}
}

// What was typed is never lost without asking, and a form that is open keeps q for text.
func TestTypedTextIsAskedAbout(t *testing.T) {
	for _, key := range []string{"esc", "ctrl+c"} {
		m := goldenQueue(120, 40)
		press(t, m, "n")
		typing(t, m, "quick")
		cmd := press(t, m, key)
		if _, asks := m.top().(*question); !asks || cmd != nil {
			t.Fatalf("%s with text typed does not ask", key)
		}
		press(t, m, "enter") // Cancel is focused
		if f := m.form(); f == nil || f.fields[0].value() != "quick" {
			t.Errorf("%s: the text is lost", key)
		}
		press(t, m, key, "right", "enter")
		if m.form() != nil {
			t.Errorf("%s: discarding leaves the form", key)
		}
	}
	m := goldenQueue(120, 40)
	press(t, m, "n", "esc")
	if m.top() != nil {
		t.Error("esc asks although nothing was typed")
	}
}

func TestEscGoesBackOneLevelAndNeverQuits(t *testing.T) {
	m := goldenQueue(80, 24)
	d := goldenDetails()
	m.queue.details = &d
	press(t, m, "enter")
	if !m.queue.open {
		t.Fatal("enter does not open details")
	}
	press(t, m, "esc")
	if m.queue.open {
		t.Error("esc does not close details")
	}
	if cmd := press(t, m, "esc"); cmd != nil {
		t.Error("esc on the list does something")
	}
}

// A reader sees READ-ONLY, and has no dangerous key: it is absent and does nothing.
func TestReadOnlyHasNoDangerousKeys(t *testing.T) {
	for role, actions := range map[string]string{"auditor": "browse open search export verify",
		"on_call_engineer": "browse open search"} {
		m := goldenQueue(120, 40)
		m.who.Grants, m.who.Actions = []tenancy.Grant{{Role: role}}, strings.Fields(actions)
		if !strings.Contains(m.header(), "READ-ONLY") {
			t.Errorf("%s: the header does not say READ-ONLY", role)
		}
		if line := ansi.Strip(m.keyLine()); strings.Contains(line, "claim") || strings.Contains(line, "close") {
			t.Errorf("%s sees %q", role, line)
		}
		press(t, m, "?")
		if strings.Contains(screenText(m), "escalate") {
			t.Errorf("%s is told of keys that the role may not use", role)
		}
		press(t, m, "esc")
		dangerous := 0
		for _, a := range m.actions {
			if !a.Dangerous {
				continue
			}
			dangerous++
			if a.Needs == "" {
				t.Errorf("%s is dangerous and needs nothing", a.Name)
			}
			m.active = map[string]int{ScreenQueue: 0, ScreenAudit: 1, ScreenArchive: 2, ScreenMembers: 3}[a.Screen]
			pressed := keyPress(a.Keys.Keys()[0])
			if b, found := m.lookup(pressed); found {
				if b.Name == a.Name {
					t.Errorf("%s can press %s", role, pressed)
				}
			}
		}
		if dangerous == 0 {
			t.Fatal("no dangerous action in the registry")
		}
	}
	if m := goldenQueue(120, 40); strings.Contains(m.header(), "READ-ONLY") {
		t.Error("a compliance officer is READ-ONLY")
	}
}

// Keys are unambiguous: one action for a key on a screen, whoever looks.
func TestKeysAreUnambiguous(t *testing.T) {
	seen := map[string]string{}
	for _, a := range Actions() {
		if a.Help == "" || (a.Audit == "") == (a.Exempt == "") {
			t.Errorf("%s %s: help %q, audit %q, exempt %q", a.Screen, a.Name, a.Help, a.Audit, a.Exempt)
		}
		if !a.Keys.Enabled() {
			continue
		}
		for _, k := range a.Keys.Keys() {
			for _, screen := range []string{"", a.Screen} {
				if other := seen[screen+" "+k]; other != "" {
					t.Errorf("%s on %q is %s and %s", k, a.Screen, other, a.Name)
				}
			}
			seen[a.Screen+" "+k] = a.Name
		}
	}
	if len(seen) == 0 {
		t.Fatal("no keys")
	}
}

// An answer to a question that was asked again is dropped.
func TestStaleAnswersAreDropped(t *testing.T) {
	m := goldenQueue(80, 24)
	old := perform(m, &m.queue.page, func(context.Context) ([]review.Anomaly, error) { return nil, nil }, m.queue.took)
	fresh := perform(m, &m.queue.page,
		func(context.Context) ([]review.Anomaly, error) { return goldenAnomalies()[:2], nil }, m.queue.took)
	late := old()
	m.Update(fresh())
	m.Update(late)
	if n := len(m.queue.list.rows); n != 2 {
		t.Errorf("%d rows after a stale answer, want 2", n)
	}
}

// A call that failed shows nothing of what it returned.
func TestFailedCallsShowNothing(t *testing.T) {
	m := goldenModel(120, 40)
	m.Update(perform(m, &m.queue.page, func(context.Context) ([]review.Anomaly, error) {
		return goldenAnomalies(), &tenancy.DeniedError{Message: "the event could not be written"}
	}, m.queue.took)())
	if text := screenText(m); strings.Contains(text, "reyes") ||
		!strings.Contains(text, "the event could not be written") {
		t.Errorf("after a failed call:\n%s", text)
	}
}

func TestPalettePerformsWhatIsPossible(t *testing.T) {
	m := goldenQueue(120, 40)
	press(t, m, ":")
	typing(t, m, "escal")
	press(t, m, "enter")
	if f := m.form(); f == nil || !strings.HasPrefix(f.title, "Escalate") {
		t.Errorf("the palette did not open the form:\n%s", screenText(m))
	}
}
