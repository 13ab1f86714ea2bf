package tui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"
)

// line is a question on the bottom line: a filter. What is wrong is said over it, and the text stays.
type line struct {
	in    *entry
	help  string
	wrong string
	check func(string) error
	slot  slot
	do    func(*model, answers) tea.Cmd
}

func (l *line) answering() *slot { return &l.slot }

func (l *line) refused(err error) { l.wrong = errorWords(err) }

func newFilterLine(text, help string, check func(string) error) *line {
	return &line{in: newEntry(text, ""), help: help, check: check}
}

func (l *line) key(m *model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	if l.slot.busy {
		return nil, false
	}
	l.wrong = ""
	if !key.Matches(k, m.keys.enter) {
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

func (l *line) paste(_ *model, s string) { l.wrong = l.in.paste(s) }

// dirty is never said: a filter is a line, and Escape leaves it.
func (l *line) dirty() bool { return false }

func (l *line) keys(m *model) []key.Binding {
	return []key.Binding{says(m.keys.enter, "applies (empty: all)"), says(m.keys.leave, "leaves")}
}

// view is one line with what may be typed, or what is wrong, over it, at the foot of the body.
func (l *line) view(m *model, w, _ int) []string {
	note := m.st.dim.Render(fit("   "+l.help, w))
	if l.wrong != "" {
		note = m.st.bad.Render(fit("   "+l.wrong, w))
	}
	typed := " " + m.st.accent.Render("/") + " " + strings.Join(l.in.draw(w-4, 1, true), "")
	return []string{m.st.dim.Render(strings.Repeat("─", w)), fit(typed, w), note}
}

// palette finds an action by its name.
type palette struct {
	in     *entry
	picked int
}

func newPalette() *palette { return &palette{in: newEntry("", "type a name")} }

func (p *palette) matching(m *model) []Action {
	var out []Action
	typed := strings.ToLower(p.in.value())
	for _, a := range m.actions {
		named := strings.Contains(strings.ToLower(a.Name+" "+a.Help), typed)
		if m.allowed(a) && a.Name != "command" && named && a.begin(m).why == "" {
			out = append(out, a)
		}
	}
	return out
}

func (p *palette) key(m *model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch {
	case key.Matches(k, m.keys.up):
		p.picked = max(0, p.picked-1)
	case key.Matches(k, m.keys.down):
		p.picked = min(p.picked+1, max(0, len(p.matching(m))-1))
	case key.Matches(k, m.keys.enter):
		list := p.matching(m)
		if p.picked >= len(list) {
			return nil, true
		}
		m.remove(p)
		return m.start(list[p.picked]), true
	case p.in.key(k):
		p.picked = 0
	}
	return nil, false
}

func (p *palette) paste(m *model, s string) {
	if wrong := p.in.paste(s); wrong != "" {
		m.warn(wrong)
	}
	p.picked = 0
}

func (p *palette) dirty() bool { return false }

func (p *palette) keys(m *model) []key.Binding {
	k := m.keys
	return []key.Binding{either(k.up, k.down, "choose"), says(k.enter, "does it"), says(k.leave, "leaves")}
}

func (p *palette) view(m *model, w, h int) []string {
	w = min(w-4, 84)
	most := max(3, min(12, h-6))
	lines := []string{m.st.accent.Render(":") + " " + strings.Join(p.in.draw(w-8, 1, true), ""), ""}
	list := p.matching(m)
	from := max(0, p.picked-most+1)
	for i, a := range list[min(from, len(list)):min(len(list), from+most)] {
		lines = append(lines, actionLine(m.st, a, a.Help, from+i == p.picked))
	}
	if len(list) == 0 {
		lines = append(lines, m.st.dim.Render("nothing of that name can be done here"))
	}
	for len(lines) < most+2 {
		lines = append(lines, "")
	}
	return box(m.st, "Command", lines, w)
}

// actionLine is an action with its key and a text.
func actionLine(st *styles, a Action, text string, on bool) string {
	mark, name := "  ", fit(a.Name, 12)
	if on {
		mark, name = st.accent.Render("▸ "), st.bold.Render(name)
	}
	return mark + st.accent.Render(fit(a.Keys.Help().Key, 7)) + " " + name + " " + st.dim.Render(text)
}

// helpLines is an action in the help, whole: its sentence and its other keys. What does not fit beside its name goes on
// below.
func helpLines(st *styles, a Action, w int) []string {
	const indent = 23 // of the text in actionLine
	text := a.Help
	if keys := a.Keys.Keys(); len(keys) > 1 {
		text += " (or " + strings.Join(keys[1:], ", ") + ")"
	}
	parts := wrap(text, w-indent)
	if len(parts) == 0 {
		return []string{actionLine(st, a, "", false)}
	}
	lines := []string{actionLine(st, a, parts[0], false)}
	for _, p := range parts[1:] {
		lines = append(lines, strings.Repeat(" ", indent)+st.dim.Render(p))
	}
	return lines
}

// keyList lists what can be pressed, from the registry. Bubbles' help does the bottom line; its full view neither wraps
// a sentence nor scrolls, and leaves out the columns that do not fit.
type keyList struct{ text scroller }

func newKeyList(m *model) *keyList {
	l, k := &keyList{}, m.keys
	l.text.view = viewport.New()
	l.text.view.KeyMap = viewport.KeyMap{Up: k.textUp, Down: k.textDown, PageUp: k.textPgUp, PageDown: k.textPgDown}
	return l
}

func (l *keyList) key(m *model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	if key.Matches(k, m.keys.helpClose) {
		return nil, true
	}
	l.text.view, _ = l.text.view.Update(k)
	return nil, false
}

func (l *keyList) paste(*model, string) {}
func (l *keyList) dirty() bool          { return false }

func (l *keyList) keys(m *model) []key.Binding {
	k := m.keys
	return []key.Binding{either(k.textDown, k.textUp, "scroll"), either(k.leave, k.helpClose, "leaves")}
}

func (l *keyList) view(m *model, w, rows int) []string {
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
	const recorded = "Looking is recorded: each page of the queue, each anomaly opened and each filter is an event" +
		" under your name, committed before anything is shown. Keys that your role may not use are not listed."
	for _, t := range wrap(recorded, inner) {
		lines = append(lines, m.st.dim.Render(t))
	}
	room := max(3, rows-2)
	return box(m.st, "Keys", l.text.draw(lines, inner, min(room, len(lines))), w)
}
