package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// A note keeps its lines: Enter begins one, and two ways lead on to adding it.
func TestNoteHasLines(t *testing.T) {
	for _, sends := range [][]string{{"ctrl+s"}, {"tab", "tab", "enter"}} {
		m := goldenQueue(80, 24)
		press(t, m, "n")
		typing(t, m, "asked HR")
		if cmd := press(t, m, "enter"); cmd != nil {
			t.Fatal("Enter within a note performs something")
		}
		m.Update(tea.PasteMsg{Content: "call back:\r 1. Monday\r 2. Tuesday"})
		if got, want := m.form().fields[0].value(), "asked HR\ncall back:\n 1. Monday\n 2. Tuesday"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		mustShow(t, m, "Note  asked HR ", "      call back:", "       1. Monday", "ctrl+s add note")
		press(t, m, "up", "up")
		if m.form().on != 0 {
			t.Error("up leaves the note before its first line")
		}
		if press(t, m, sends...) == nil {
			t.Errorf("%v does not add it", sends)
		}
	}
}

// Where Enter in a form performs nothing, ctrl+s performs nothing either.
func TestOnlyNotesAreSentAtOnce(t *testing.T) {
	m := goldenQueue(80, 24)
	press(t, m, "e", "tab")
	typing(t, m, "a good reason")
	if press(t, m, "ctrl+s") != nil {
		t.Error("ctrl+s escalates")
	}
}

// What was typed into a choice and erased again has chosen nothing; what was chosen before is chosen again.
func TestErasedFilterChoosesNothing(t *testing.T) {
	m := goldenQueue(80, 24)
	press(t, m, "f")
	f := m.form()
	f.on = 4
	press(t, m, "x", "backspace", "tab")
	if got := f.fields[4].value(); got != "" {
		t.Errorf("it chose %q", got)
	}
	f.on = 4
	press(t, m, "down", "down", "l", "ctrl+u")
	if got := f.fields[4].value(); got != "breach" {
		t.Errorf("breach was chosen, then %q", got)
	}
}

// A filter line is left by Escape, whatever stands in it.
func TestEscLeavesAFilter(t *testing.T) {
	m := goldenQueue(80, 24)
	press(t, m, "/")
	typing(t, m, "sev:hig")
	if press(t, m, "esc"); m.top() != nil || m.queue.typed != "" {
		t.Errorf("after Escape:\n%s", screenText(m))
	}
}

// What the bottom line offers in a dialog does something: it is shown from the bindings that are matched.
func TestOfferedKeysWork(t *testing.T) {
	dialogs := map[string][]string{
		"note": {"n"}, "cancel": {"e"}, "deed": {"e", "tab", "a", " ", "b", "c", "tab", "tab"}, "text": {"e", "tab"},
		"choice": {"x", "tab"}, "question": {"n", "a", "esc"}, "filter": {"/", "s"}, "command": {":"}, "help": {"?"},
	}
	open := func(keys []string) *model {
		m := goldenQueue(80, 24)
		d := goldenDetails()
		m.queue.details = &d
		press(t, m, keys...)
		return m
	}
	for name, keys := range dialogs {
		offered := open(keys).top().keys(open(keys))
		for _, b := range offered {
			works := false
			for _, k := range b.Keys() {
				m := open(keys)
				before := screenText(m)
				works = works || press(t, m, k) != nil || screenText(m) != before
			}
			if !works || b.Help().Desc == "" || !strings.Contains(b.Help().Key, b.Keys()[0]) {
				t.Errorf("%s: %v (%v) does nothing", name, b.Keys(), b.Help())
			}
			mustShow(t, open(keys), b.Help().Key+" "+b.Help().Desc)
		}
		if len(offered) < 2 {
			t.Errorf("%s offers %d keys", name, len(offered))
		}
	}
}
