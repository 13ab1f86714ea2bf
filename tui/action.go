package tui

import (
	"slices"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// The screens, by the names that people see.
const (
	ScreenQueue   = "Queue"
	ScreenAudit   = "Audit"
	ScreenArchive = "Archive"
	ScreenMembers = "Members"
)

// Action is one thing that a user can do. Keys, help, palette and the test that nothing is shown unless its event is
// durable all read the same list.
type Action struct {
	Name      string      // one or two words
	Keys      key.Binding // none: by moving, or from the palette alone
	Screen    string      // empty: everywhere
	Help      string      // one sentence
	Audit     string      // the action of the event that it writes
	Exempt    string      // why it writes none
	Dangerous bool        // changes what others see or may do: Cancel is focused
	Needs     string      // what Principal.May must allow; without it the action is absent

	waits bool // for who has no grant yet, and nobody else
	hint  bool // on the bottom line
	begin func(*model) attempt
}

// attempt is an action begun on what was selected at that moment: moving the cursor later does not change what it acts
// on.
type attempt struct {
	why  string // not possible now, and what to do about it; the rest is empty
	form *form  // what to ask first; nil: nothing
	line *line  // or a line at the bottom that asks it
	do   func(*model, answers) tea.Cmd
}

// answers are a form's, by the field's name.
type answers map[string]string

// Actions is the registry.
func Actions() []Action {
	list := slices.Concat(globalActions(), queueActions(), auditActions(), archiveActions(), memberActions())
	for i := range list {
		list[i].Keys = says(list[i].Keys, list[i].Name)
	}
	return list
}

// allowed says whether an action exists for this person on this screen.
func (m *model) allowed(a Action) bool {
	if m.waiting() != a.waits && (a.waits || a.Audit != "") {
		return false
	}
	return (a.Screen == "" || a.Screen == m.screen().name()) && (a.Needs == "" || m.who.May(a.Needs))
}

// run performs an action with its answers given.
func (a Action) run(m *model, in answers) tea.Cmd {
	at := a.begin(m)
	if at.why != "" {
		m.warn(at.why)
		return nil
	}
	return at.do(m, in)
}

// start begins an action for a person: its form first where it has one.
func (m *model) start(a Action) tea.Cmd {
	at := a.begin(m)
	switch {
	case at.why != "":
		m.warn(at.why)
		return nil
	case at.form != nil:
		at.form.do = at.do
		m.push(at.form)
		return at.form.opened(m)
	case at.line != nil:
		at.line.do = at.do
		m.push(at.line)
		return nil
	}
	return at.do(m, nil)
}

// lookup finds the action of a key on this screen.
func (m *model) lookup(k tea.KeyPressMsg) (Action, bool) {
	for _, a := range m.actions {
		if key.Matches(k, a.Keys) && m.allowed(a) {
			return a, true
		}
	}
	return Action{}, false
}

// at once: an attempt that asks nothing.
func atOnce(do func(*model) tea.Cmd) func(*model) attempt {
	return func(*model) attempt {
		return attempt{do: func(m *model, _ answers) tea.Cmd { return do(m) }}
	}
}
