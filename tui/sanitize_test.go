package tui

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/google/uuid"

	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/review"
)

func TestCleanTakesAwayWhatHarms(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                        "plain",
		"\x1b[2J\x1b[1;1Hgone":         "gone",
		"\x1b]0;title\x07name":         "name",
		"\x1b]52;c;ZXZpbA==\x1b\\clip": "clip",
		"a\u009b31mb":                  "a31mb", // the introducer is gone, what is left is text
		"a\rb\x00c\x7f":                "abc",
		"\u202Egnp.exe":                "gnp.exe",
		"zero\u200Bwidth\u2066x\u2069": "zerowidthx",
		"tag\U000E0041":                "tag",
		"two\nlines\tand tab":          "two\nlines and tab",
		"Zoë Ångström 李":               "Zoë Ångström 李",
		"bad \xff byte":                "bad \uFFFD byte",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m")
	f.Add("\u009b2J\x1b")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range clean(s) {
			if r != '\n' && unicode.Is(unicode.Cc, r) {
				t.Fatalf("clean(%q) keeps %U", s, r)
			}
		}
	})
}

// Every string of what a call returns is cleaned, wherever it is.
func TestScrubReachesEverything(t *testing.T) {
	const evil = "x\x1b[2J"
	s := evil
	d := review.Details{
		Anomaly: review.Anomaly{ID: uuid.New(), Summary: evil, Actor: &s,
			Facts: map[string]any{evil: []any{evil, 1.0, map[string]any{"k": evil}}}},
		Rule:     review.FrontMatter{Citations: []string{evil}, Params: map[string]any{"p": evil}},
		Notes:    []review.Note{{By: evil, Text: evil}},
		Evidence: []review.Evidence{{Action: evil, Purpose: &s}},
	}
	id := d.Anomaly.ID
	scrub(&d)
	for _, got := range []string{d.Anomaly.Summary, *d.Anomaly.Actor, d.Rule.Citations[0], d.Notes[0].By,
		d.Notes[0].Text, d.Evidence[0].Action, fmt.Sprint(d.Rule.Params["p"])} {
		if got != "x" {
			t.Errorf("%q is left", got)
		}
	}
	list, ok := d.Anomaly.Facts["x"].([]any)
	if !ok || list[0] != "x" || list[1] != 1.0 {
		t.Errorf("facts are %v", d.Anomaly.Facts)
	}
	if d.Anomaly.ID != id {
		t.Error("an id changed")
	}
	events := opened{Events: []audit.Event{{Detail: &s, Action: evil}}}
	s = evil
	scrub(&events)
	if events.Events[0].Action != "x" || *events.Events[0].Detail != "x" {
		t.Errorf("events keep %q", events.Events[0].Action)
	}
}

// A clinic that calls itself by an escape sequence is shown without.
func TestEscapesNeverReachTheScreen(t *testing.T) {
	m := goldenModel(120, 40)
	rows := goldenAnomalies()
	evil := "\x1b[2J\x1b]0;owned\x07evil"
	rows[0].TenantName, rows[0].Actor, rows[0].Summary = evil, &evil, evil+"\u202E"
	if cmd := answer(m, &m.queue.page, rows, m.queue.took); cmd != nil {
		cmd()
	}
	for _, bad := range []string{"\x1b[2J", "\x1b]0", "owned", "\u202E", "\x07"} {
		if view := m.View().Content; strings.Contains(view, bad) {
			t.Errorf("%q is on the screen", bad)
		}
	}
	if !strings.Contains(m.View().Content, "evil") {
		t.Error("the row is not on the screen at all")
	}
}
