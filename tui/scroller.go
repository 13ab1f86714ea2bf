package tui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/viewport"
)

// scroller is a text that is longer than the screen: Bubbles' viewport, which keeps the place.
type scroller struct{ view viewport.Model }

// draw shows the lines from the place on, in exactly h lines of w cells.
func (s *scroller) draw(lines []string, w, h int) []string {
	s.view.SetWidth(w)
	s.view.SetHeight(h)
	s.view.SetContentLines(slices.Clone(lines)) // it splits lines in place
	return pad(strings.Split(s.view.View(), "\n"), w, h)
}

// move moves the place within what was drawn last.
func (s *scroller) move(n nav) {
	switch n {
	case navFirst:
		s.view.GotoTop()
	case navLast:
		s.view.GotoBottom()
	default:
		s.view.SetYOffset(s.view.YOffset() + n.rows(s.view.Height()))
	}
}

// top goes back to the first line, for another text.
func (s *scroller) top() { s.view.SetYOffset(0) }
