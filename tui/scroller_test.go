package tui

import (
	"fmt"
	"strings"
	"testing"
)

// A long text keeps its place within itself, whatever happens to the screen and to the text.
func TestScroller(t *testing.T) {
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("line %d", i))
	}
	s := &scroller{}
	for i, step := range []struct {
		move  nav
		of, h int
		first string
	}{
		{navStay, 100, 10, "line 0"}, {navUp, 100, 10, "line 0"}, {navDown, 100, 10, "line 1"},
		{navPageDown, 100, 10, "line 10"}, // of the screen before one line is still seen
		{navLast, 100, 10, "line 90"}, {navDown, 100, 10, "line 90"}, {navStay, 100, 20, "line 80"},
		{navPageUp, 100, 20, "line 61"}, {navStay, 30, 20, "line 10"}, {navStay, 5, 20, "line 0"},
		{navLast, 100, 20, "line 0"}, {navLast, 100, 20, "line 80"}, {navFirst, 100, 20, "line 0"},
	} {
		s.move(step.move)
		got := s.draw(lines[:step.of], 12, step.h)
		if first := strings.TrimSpace(got[0]); first != step.first || len(got) != step.h || len(got[0]) != 12 {
			t.Errorf("step %d: %q first of %d, want %q", i, got[0], len(got), step.first)
		}
	}
	if lines[0] != "line 0" {
		t.Error("drawing changes the text")
	}
}
