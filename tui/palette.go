package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// line is a question on the bottom line: a filter. What is wrong is said over it, and the text stays.
type line struct {
	in     input
	before string
	help   string
	wrong  string
	check  func(string) error
	slot   slot
	do     func(*model, answers) tea.Cmd
}

func (l *line) answering() *slot { return &l.slot }

func (l *line) refused(err error) { l.wrong = errorWords(err) }

func newFilterLine(text, help string, check func(string) error) *line {
	return &line{in: newInput(text), before: text, help: help, check: check}
}

func (l *line) key(m *model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	if l.slot.busy {
		return nil, false
	}
	l.wrong = ""
	if k.String() != "enter" {
		l.in.key(k)
		return nil, false
	}
	text := strings.TrimSpace(l.in.value())
	if err := l.check(text); err != nil {
		l.wrong = err.Error()
		return nil, false
	}
	cmd := l.do(m, answers{"filter": text})
	return cmd, cmd == nil
}

func (l *line) paste(_ *model, s string) { l.in.paste(s) }

func (l *line) dirty() bool { return l.in.value() != l.before && l.in.value() != "" }

func (l *line) keys() string { return "enter applies  empty shows all  esc leaves" }

// view is one line with what may be typed, or what is wrong, over it, at the foot of the body.
func (l *line) view(m *model, w, _ int) []string {
	note := m.st.dim.Render(fit("   "+l.help, w))
	if l.wrong != "" {
		note = m.st.bad.Render(fit("   "+l.wrong, w))
	}
	return []string{m.st.dim.Render(strings.Repeat("─", w)),
		fit(" "+m.st.accent.Render("/")+" "+strings.Join(l.in.draw(m.st, w-4, 1, true), ""), w), note}
}

// palette finds an action by its name.
type palette struct {
	in     input
	picked int
}

func newPalette(*model) *palette { return &palette{} }

func (p *palette) matching(m *model) []Action {
	var out []Action
	typed := strings.ToLower(p.in.value())
	for _, a := range m.actions {
		if m.allowed(a) && a.Name != "command" && strings.Contains(strings.ToLower(a.Name+" "+a.Help), typed) &&
			a.begin(m).why == "" {
			out = append(out, a)
		}
	}
	return out
}

func (p *palette) key(m *model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "up":
		p.picked = max(0, p.picked-1)
	case "down":
		p.picked = min(p.picked+1, max(0, len(p.matching(m))-1))
	case "enter":
		list := p.matching(m)
		if p.picked >= len(list) {
			return nil, true
		}
		m.remove(p)
		return m.start(list[p.picked]), true
	default:
		if p.in.key(k) {
			p.picked = 0
		}
	}
	return nil, false
}

func (p *palette) paste(_ *model, s string) { p.in.paste(s) }
func (p *palette) dirty() bool              { return false }
func (p *palette) keys() string             { return "type a name  up/down choose  enter does it  esc leaves" }

func (p *palette) view(m *model, w, h int) []string {
	w = min(w-4, 84)
	most := max(3, min(12, h-6))
	lines := []string{m.st.accent.Render(":") + " " + strings.Join(p.in.draw(m.st, w-8, 1, true), ""), ""}
	list := p.matching(m)
	from := max(0, p.picked-most+1)
	for i, a := range list[min(from, len(list)):min(len(list), from+most)] {
		lines = append(lines, actionLine(m.st, a, from+i == p.picked))
	}
	if len(list) == 0 {
		lines = append(lines, m.st.dim.Render("nothing of that name can be done here"))
	}
	for len(lines) < most+2 {
		lines = append(lines, "")
	}
	return box(m.st, "Command", lines, w)
}

func actionLine(st *styles, a Action, on bool) string {
	mark, name := "  ", fit(a.Name, 12)
	if on {
		mark, name = st.accent.Render("▸ "), st.bold.Render(name)
	}
	return mark + st.accent.Render(fit(a.Key, 7)) + " " + name + " " + st.dim.Render(a.Help)
}

// helpLines is an action in the help, whole: what does not fit beside its name goes on below.
func helpLines(st *styles, a Action, w int) []string {
	const indent = 23 // of the text in actionLine
	parts := wrap(a.Help, w-indent)
	if len(parts) == 0 {
		return []string{actionLine(st, a, false)}
	}
	a.Help = parts[0]
	lines := []string{actionLine(st, a, false)}
	for _, p := range parts[1:] {
		lines = append(lines, strings.Repeat(" ", indent)+st.dim.Render(p))
	}
	return lines
}

// help lists what can be pressed, from the registry.
type help struct{ from int }

func newHelp(*model) *help { return &help{} }

func (h *help) key(m *model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "j", "down":
		h.from++
	case "k", "up":
		h.from = max(0, h.from-1)
	case "pgdown", "space":
		h.from += max(1, m.h-8)
	case "pgup":
		h.from = max(0, h.from-max(1, m.h-8))
	case "?", "enter", "q":
		return nil, true
	}
	return nil, false
}

func (h *help) paste(*model, string) {}
func (h *help) dirty() bool          { return false }
func (h *help) keys() string         { return "j/k scroll  esc or ? leaves" }

func (h *help) view(m *model, w, rows int) []string {
	w = min(w-2, 100)
	inner := w - 4
	var lines []string
	part := func(title string, own bool) {
		lines = append(lines, m.st.bold.Render(title))
		for _, a := range m.actions {
			if m.allowed(a) && (a.Screen != "") == own {
				lines = append(lines, helpLines(m.st, a, inner)...)
			}
		}
		lines = append(lines, "")
	}
	part(m.screen().name(), true)
	part("Everywhere", false)
	for _, l := range wrap("Looking is recorded: each page of the queue, each anomaly opened and each filter is an "+
		"event under your name, committed before anything is shown."+
		" Keys that your role may not use are not listed.", inner) {
		lines = append(lines, m.st.dim.Render(l))
	}
	room := max(3, rows-2)
	h.from = max(0, min(h.from, len(lines)-room))
	return box(m.st, "Keys", lines[h.from:min(len(lines), h.from+room)], w)
}
