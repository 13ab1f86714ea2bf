package tui

import (
	"charm.land/bubbles/v2/help"
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// nav is a movement within a list or a text.
type nav int

const (
	navUp nav = iota
	navDown
	navPageUp
	navPageDown
	navFirst
	navLast
	navStay // the screen changed, the cursor did not
)

// rows is how far a movement goes in a list of h visible rows.
func (n nav) rows(h int) int {
	switch n {
	case navUp:
		return -1
	case navDown:
		return 1
	case navPageUp:
		return -max(1, h-1)
	case navPageDown:
		return max(1, h-1)
	}
	return 0
}

// bind makes the binding of an action: the key that it is known by, then those that hands expect. The registry names
// it (Actions).
func bind(keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(keys[0], ""))
}

// keyMap are the keys of what lies over the screens; those of the screens stand in the registry of actions. What is
// matched and what the bottom line and the help say come from the same bindings.
type keyMap struct {
	leave, quit          key.Binding
	enter, send          key.Binding
	next, previous       key.Binding // fields and buttons
	up, down             key.Binding // options, or fields
	sideways, above      key.Binding // buttons
	textUp, textDown     key.Binding
	textPgUp, textPgDown key.Binding
	helpClose            key.Binding
}

func newKeyMap() *keyMap {
	return &keyMap{
		leave:      bind("esc"),
		quit:       bind("ctrl+c"),
		enter:      bind("enter"),
		send:       bind("ctrl+s"),
		next:       bind("tab"),
		previous:   bind("shift+tab"),
		up:         bind("up"),
		down:       bind("down"),
		sideways:   bind("left", "right", "h", "l"),
		above:      bind("up", "k"),
		textUp:     bind("k", "up"),
		textDown:   bind("j", "down"),
		textPgUp:   bind("pgup"),
		textPgDown: bind("pgdown", "space"),
		helpClose:  bind("?", "enter", "q"),
	}
}

// says is a binding with what it does where it is shown.
func says(b key.Binding, what string) key.Binding {
	b.SetHelp(b.Help().Key, what)
	return b
}

// either are two bindings shown as one.
func either(a, b key.Binding, what string) key.Binding {
	both := append(append([]string(nil), a.Keys()...), b.Keys()...)
	return key.NewBinding(key.WithKeys(both...), key.WithHelp(a.Help().Key+"/"+b.Help().Key, what))
}

// newKeyHelp is Bubbles' line of keys in our looks.
func newKeyHelp(st *styles) help.Model {
	h := help.New()
	h.ShortSeparator = "  "
	h.Styles = help.Styles{ShortKey: st.accent}
	return h
}

// shortHelp are the keys of the screen for the bottom line, and those of everywhere.
func (m *model) shortHelp() (own, always []key.Binding) {
	for _, a := range m.actions {
		switch {
		case !a.hint || !m.allowed(a) || a.begin(m).why != "":
		case a.Screen == "":
			always = append(always, a.Keys)
		case m.trouble != nil && a.Keys.Help().Key != refreshKey: // nothing else would get through
		default:
			own = append(own, a.Keys)
		}
	}
	return own, always
}

// refreshKey reads again what a screen shows.
const refreshKey = "r"

// keyLine answers what can be pressed.
func (m *model) keyLine() string {
	if d := m.top(); d != nil {
		if a, ok := d.(asker); ok && a.answering().busy {
			return fit(" recording …", m.w)
		}
		return fit(" "+m.keysWithin(d.keys(m), m.w-1), m.w)
	}
	own, always := m.shortHelp()
	tail := m.keysWithin(always, m.w-1)
	line := m.keysWithin(own, m.w-ansi.StringWidth(tail)-3)
	if line != "" {
		line += "  "
	}
	return fit(" "+line+tail, m.w)
}

// keysWithin shows as many bindings as fit. Bubbles' help v2.2.1 can cut a list too, but shows what does not fit where
// its ellipsis does not fit either.
func (m *model) keysWithin(list []key.Binding, w int) string {
	for n := len(list); n > 0; n-- {
		if shown := m.help.ShortHelpView(list[:n]); ansi.StringWidth(shown) <= w {
			return shown
		}
	}
	return ""
}

func globalActions() []Action {
	const moves = "moves within what is loaded"
	const copies = "copies what a recorded look returned"
	return []Action{
		{Name: "queue", Keys: bind("1"), Help: "the anomaly queue", Audit: "browse", begin: goTo(ScreenQueue)},
		{Name: "audit", Keys: bind("2"), Help: "one clinic's events", Audit: "browse", begin: goTo(ScreenAudit)},
		{Name: "archive", Keys: bind("3"), Help: "the archived log, month by month", Audit: "browse",
			begin: goTo(ScreenArchive)},
		{Name: "members", Keys: bind("4"), Help: "who works where, and with what role", Audit: "browse",
			begin: goTo(ScreenMembers)},
		{Name: "take on-call", Keys: bind("T"), Help: "take an on-call grant: one clinic, four hours", Audit: "grant",
			waits: true, hint: true, begin: beginOnCall},
		{Name: "down", Keys: bind("j", "down"), Help: "one row down", Exempt: moves, begin: moving(navDown)},
		{Name: "up", Keys: bind("k", "up"), Help: "one row up", Exempt: moves, begin: moving(navUp)},
		{Name: "page down", Keys: bind("pgdown", "space", "ctrl+d"), Help: "one screen down", Exempt: moves,
			begin: moving(navPageDown)},
		{Name: "page up", Keys: bind("pgup", "ctrl+u"), Help: "one screen up", Exempt: moves,
			begin: moving(navPageUp)},
		{Name: "first", Keys: bind("g", "home"), Help: "the first row", Exempt: moves, begin: moving(navFirst)},
		{Name: "last", Keys: bind("G", "end"), Help: "the last row", Exempt: moves, begin: moving(navLast)},
		{Name: "back", Keys: bind("esc"), Help: "one level back", Exempt: "leaves",
			begin: atOnce(func(m *model) tea.Cmd { return m.back() })},
		{Name: "copy id", Keys: bind("y"), Help: "copy the full id under the cursor to the clipboard (OSC 52)",
			Exempt: copies, begin: atOnce(func(m *model) tea.Cmd { return m.copyID() })},
		{Name: "command", Keys: bind(":"), Help: "find an action by name", Exempt: "shows the names of actions",
			hint: true, begin: atOnce(func(m *model) tea.Cmd { m.push(newPalette()); return nil })},
		{Name: "help", Keys: bind("?"), Help: "what can be pressed here", Exempt: "shows the names of actions",
			hint: true, begin: atOnce(func(m *model) tea.Cmd { m.push(newKeyList(m)); return nil })},
		{Name: "quit", Keys: bind("q", "ctrl+c"), Help: "leave ward; what is half typed is asked about first",
			Exempt: "leaves", hint: true, begin: atOnce(func(m *model) tea.Cmd { return m.quit() })},
	}
}

func goTo(name string) func(*model) attempt {
	return atOnce(func(m *model) tea.Cmd { return m.goTo(name) })
}

func moving(n nav) func(*model) attempt {
	return atOnce(func(m *model) tea.Cmd { return m.screen().move(m, n) })
}
