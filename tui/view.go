package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"fmt"
)

// The sizes at which the layout changes.
const (
	leastWidth  = 60
	leastHeight = 15
	splitWidth  = 120 // list and details side by side
	frameLines  = 5   // header, tabs, rule; status and keys
)

// View draws the whole screen.
func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.draw(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "ward · " + m.screen().name()
	return v
}

func (m *model) draw() []string {
	if m.w < leastWidth || m.h < leastHeight {
		return []string{fmt.Sprintf("too small: ward needs %d x %d, this is %d x %d", leastWidth,
			leastHeight, m.w, m.h)}
	}
	s := m.screen()
	lines := []string{m.header(), m.tabs(), m.st.dim.Render(strings.Repeat("─", m.w))}
	body := s.body
	if m.waiting() {
		body = noGrant
	}
	lines = append(lines, pad(body(m, m.w, m.bodyHeight()), m.w, m.bodyHeight())...)
	for _, d := range m.dialogs {
		if l, ok := d.(*line); ok {
			foot := l.view(m, m.w, len(lines))
			copy(lines[len(lines)-len(foot):], foot)
			continue
		}
		lines = overlay(lines, d.view(m, m.w, len(lines)), m.w, len(lines))
	}
	return append(lines, m.statusLine(), m.keyLine())
}

func (m *model) bodyHeight() int { return max(1, m.h-frameLines) }

// split says whether details stand beside the list.
func (m *model) split() bool { return m.w >= splitWidth }

// listWidth is the list's share of a split screen.
func (m *model) listWidth() int { return m.w * 61 / 100 }

// header says who, in which role, where, and for how long.
func (m *model) header() string {
	left := " " + m.st.accent.Bold(true).Render("ward") + "  " + m.st.bold.Render(m.screen().name())
	if h := m.screen().heading(m); h != "" && m.w >= splitWidth {
		left += m.st.bold.Render(" · " + h)
	}
	room := m.w - ansi.StringWidth(left) - 3
	right := m.identity(false)
	if ansi.StringWidth(right) > room {
		right = m.identity(true)
	}
	return ends(left, right+" ", m.w)
}

func (m *model) identity(terse bool) string {
	name, region := m.who.Name, m.who.Region
	if terse || name == "" {
		name = m.who.Slug
	}
	left := m.who.SessionExpires.Sub(m.now())
	parts := []string{name, m.roles(terse), region, m.reach(terse), minutes(left) + " left"}
	if terse {
		parts[4] = minutes(left)
	}
	if left <= 0 {
		parts[4] = "session over: ward login"
	}
	if m.readOnly() {
		parts = append(parts, "READ-ONLY")
	}
	return strings.Join(parts, " · ")
}

func (m *model) roles(terse bool) string {
	var out []string
	for _, g := range m.who.Grants {
		r := strings.ReplaceAll(g.Role, "_", " ")
		if terse {
			r = strings.TrimSuffix(strings.TrimSuffix(r, " officer"), " engineer")
		}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return "no role"
	}
	return strings.Join(out, ", ")
}

// reach is which clinics the grants are for.
func (m *model) reach(terse bool) string {
	var out []string
	for _, g := range m.who.Grants {
		if g.Tenant == nil {
			if terse {
				return "all"
			}
			return "every clinic"
		}
		if !slices.Contains(out, *g.Tenant) {
			out = append(out, *g.Tenant)
		}
	}
	if len(out) == 0 {
		return "no clinic"
	}
	return strings.Join(out, ", ")
}

// readOnly says that nothing dangerous is left to this person.
func (m *model) readOnly() bool {
	return !slices.ContainsFunc(m.actions, func(a Action) bool { return a.Dangerous && m.who.May(a.Needs) })
}

func (m *model) tabs() string {
	var parts []string
	for i, s := range m.screens {
		t := fmt.Sprintf("%d %s", i+1, s.name())
		if c := s.count(); c != "" {
			t += " " + c
		}
		if i == m.active {
			t = m.st.accent.Bold(true).Render(t)
		} else {
			t = m.st.dim.Render(t)
		}
		parts = append(parts, t)
	}
	left := " " + strings.Join(parts, "   ")
	room := m.w - ansi.StringWidth(left) - 3
	if room < 8 {
		return fit(left, m.w)
	}
	return ends(left, m.st.dim.Render(ansi.Truncate(m.screen().scope(m), room, "…"))+" ", m.w)
}

// statusLine is what happened, or else what is shown.
func (m *model) statusLine() string {
	switch {
	case m.said != "" && m.warned:
		return m.st.bad.Render(fit(" ✕ "+m.said, m.w))
	case m.said != "":
		return m.st.accent.Render(fit(" "+m.said, m.w))
	}
	return m.st.dim.Render(fit(" "+m.screen().status(m), m.w))
}

// beside draws a list and, where there is room, details at its right.
func (m *model) beside(list func(w, h int) []string, details func(w, h int) []string, h int) []string {
	if !m.split() {
		return list(m.w, h)
	}
	lw := m.listWidth()
	left, right := pad(list(lw, h), lw, h), details(m.w-lw-3, h)
	right = pad(right, m.w-lw-3, h)
	for i := range left {
		left[i] += m.st.dim.Render("│") + " " + right[i] + " "
	}
	return left
}

// pane collects the lines of details.
type pane struct {
	st    *styles
	w     int
	lines []string
}

func (p *pane) add(lines ...string) { p.lines = append(p.lines, lines...) }

// gap leaves one empty line.
func (p *pane) gap() {
	if n := len(p.lines); n > 0 && p.lines[n-1] != "" {
		p.add("")
	}
}

// head starts a part.
func (p *pane) head(title, note string) {
	p.gap()
	p.add(p.st.bold.Render(title) + "  " + p.st.dim.Render(note))
}

// labelWidth is the width of the left column of pairs.
const labelWidth = 14

// pair is a label and its value, which wraps under itself.
func (p *pane) pair(label, s string) {
	for i, l := range wrap(s, max(10, p.w-labelWidth)) {
		if i > 0 {
			label = ""
		}
		p.add(p.st.dim.Render(fit(label, labelWidth)) + l)
	}
}

// text is a paragraph.
func (p *pane) text(s string) { p.add(wrap(s, p.w)...) }
