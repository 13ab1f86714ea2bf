package tui

import (
	tea "charm.land/bubbletea/v2"
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

// keysOf are all keys of an action: the one it is known by, and those that hands expect.
func keysOf(a Action) []string {
	also := map[string][]string{
		"j": {"down"}, "k": {"up"}, "g": {"home"}, "G": {"end"}, "pgdown": {"space", "ctrl+d"}, "pgup": {"ctrl+u"},
		"q": {"ctrl+c"},
	}
	return append([]string{a.Key}, also[a.Key]...)
}

func globalActions() []Action {
	const moves = "moves within what is loaded"
	list := []Action{
		{Name: "queue", Key: "1", Help: "the anomaly queue", Audit: "browse", begin: goTo(ScreenQueue)},
		{Name: "audit", Key: "2", Help: "one clinic's events", Audit: "browse", begin: goTo(ScreenAudit)},
		{Name: "archive", Key: "3", Help: "the archived log, month by month", Audit: "browse",
			begin: goTo(ScreenArchive)},
		{Name: "members", Key: "4", Help: "who works where, and with what role", Audit: "browse",
			begin: goTo(ScreenMembers)},
		{Name: "take on-call", Key: "T", Help: "take an on-call grant: one clinic, four hours", Audit: "grant",
			waits: true, hint: true, begin: beginOnCall},
		{Name: "down", Key: "j", Help: "one row down", Exempt: moves, begin: moving(navDown)},
		{Name: "up", Key: "k", Help: "one row up", Exempt: moves, begin: moving(navUp)},
		{Name: "page down", Key: "pgdown", Help: "one screen down", Exempt: moves, begin: moving(navPageDown)},
		{Name: "page up", Key: "pgup", Help: "one screen up", Exempt: moves, begin: moving(navPageUp)},
		{Name: "first", Key: "g", Help: "the first row", Exempt: moves, begin: moving(navFirst)},
		{Name: "last", Key: "G", Help: "the last row", Exempt: moves, begin: moving(navLast)},
		{Name: "back", Key: "esc", Help: "one level back", Exempt: "leaves",
			begin: atOnce(func(m *model) tea.Cmd { return m.back() })},
		{Name: "copy id", Key: "y", Help: "copy the full id under the cursor to the clipboard (OSC 52)",
			Exempt: "copies what a recorded look returned",
			begin:  atOnce(func(m *model) tea.Cmd { return m.copyID() })},
		{Name: "command", Key: ":", Help: "find an action by name", Exempt: "shows the names of actions", hint: true,
			begin: atOnce(func(m *model) tea.Cmd { m.push(newPalette(m)); return nil })},
		{Name: "help", Key: "?", Help: "what can be pressed here", Exempt: "shows the names of actions", hint: true,
			begin: atOnce(func(m *model) tea.Cmd { m.push(newHelp(m)); return nil })},
		{Name: "quit", Key: "q", Help: "leave ward; what is half typed is asked about first",
			Exempt: "leaves", hint: true,
			begin: atOnce(func(m *model) tea.Cmd { return m.quit() })},
	}
	return list
}

func goTo(name string) func(*model) attempt {
	return atOnce(func(m *model) tea.Cmd { return m.goTo(name) })
}

func moving(n nav) func(*model) attempt {
	return atOnce(func(m *model) tea.Cmd { return m.screen().move(m, n) })
}
