package tui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// dialog is what lies over the screen and gets the keys first. The topmost one has them.
type dialog interface {
	// key handles a key; closed takes the dialog away.
	key(m *model, k tea.KeyPressMsg) (cmd tea.Cmd, closed bool)
	paste(m *model, s string)
	// dirty says that closing it would lose what was typed.
	dirty() bool
	// view draws it within w by h cells; its lines are as wide as it likes.
	view(m *model, w, h int) []string
	// keys are those of the bottom line while it is open.
	keys(m *model) []key.Binding
}

func (m *model) push(d dialog) { m.dialogs = append(m.dialogs, d) }

func (m *model) pop() {
	if n := len(m.dialogs); n > 0 {
		m.dialogs = m.dialogs[:n-1]
	}
}

func (m *model) top() dialog {
	if n := len(m.dialogs); n > 0 {
		return m.dialogs[n-1]
	}
	return nil
}

// dialogKey hands a key to the topmost dialog. Escape and ctrl+c leave it, asking first where something was typed.
func (m *model) dialogKey(d dialog, k tea.KeyPressMsg) tea.Cmd {
	if quit := key.Matches(k, m.keys.quit); quit || key.Matches(k, m.keys.leave) {
		return m.leave(d, quit)
	}
	cmd, closed := d.key(m, k)
	if closed {
		m.remove(d)
	}
	return cmd
}

// leave closes a dialog, and the program too when that was asked for.
func (m *model) leave(d dialog, quitting bool) tea.Cmd {
	if a, ok := d.(asker); ok && a.answering().busy {
		m.say("being recorded: wait for the answer")
		return nil
	}
	if _, asking := d.(*question); asking {
		m.pop()
		if quitting {
			return tea.Quit
		}
		return nil
	}
	if d.dirty() {
		what, yes := "Discard what you typed?", "Discard"
		if quitting {
			what, yes = "Quit and discard what you typed?", "Quit"
		}
		m.push(&question{title: what, yes: yes, do: func(m *model) tea.Cmd {
			m.remove(d)
			if quitting {
				return tea.Quit
			}
			return nil
		}})
		return nil
	}
	m.remove(d)
	if quitting {
		return tea.Quit
	}
	return nil
}

func (m *model) remove(d dialog) {
	for i := len(m.dialogs) - 1; i >= 0; i-- {
		if m.dialogs[i] == d {
			m.dialogs = append(m.dialogs[:i:i], m.dialogs[i+1:]...)
			return
		}
	}
}

// box draws a frame with a title around lines, w cells wide in all.
func box(st *styles, title string, lines []string, w int) []string {
	inner := w - 4
	top := "┌ " + st.bold.Render(ansi.Truncate(title, inner-2, "…")) + " "
	out := []string{top + strings.Repeat("─", max(0, w-1-ansi.StringWidth(top))) + "┐"}
	for _, l := range lines {
		out = append(out, "│ "+fit(l, inner)+" │")
	}
	return append(out, "└"+strings.Repeat("─", w-2)+"┘")
}

// overlay puts a drawn box into the middle of the screen.
func overlay(base, top []string, w, h int) []string {
	wide := 0
	for _, l := range top {
		wide = max(wide, ansi.StringWidth(l))
	}
	x, y := max(0, (w-wide)/2), max(0, (h-len(top))/2)
	for i, l := range top {
		if y+i >= len(base) {
			break
		}
		under := base[y+i]
		base[y+i] = ansi.Cut(under, 0, x) + fit(l, wide) + ansi.Cut(under, x+wide, w)
	}
	return base
}

// question asks one thing; Cancel is focused, and Enter on it changes nothing.
type question struct {
	title, yes string
	lines      []string
	onYes      bool
	do         func(*model) tea.Cmd
}

func (q *question) key(m *model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch {
	case key.Matches(k, m.keys.next, m.keys.previous, m.keys.sideways):
		q.onYes = !q.onYes
	case key.Matches(k, m.keys.enter):
		if q.onYes {
			return q.do(m), true
		}
		return nil, true
	}
	return nil, false
}

func (q *question) paste(*model, string) {}
func (q *question) dirty() bool          { return false }

func (q *question) keys(m *model) []key.Binding {
	k := m.keys
	return []key.Binding{says(k.next, "choose"), says(k.enter, "takes it"), says(k.leave, "cancel")}
}

func (q *question) view(m *model, w, _ int) []string {
	w = min(w-4, 60)
	lines := append(append([]string{}, q.lines...), "", buttons(m.st, w-4, q.yes, btoi(q.onYes)))
	return box(m.st, q.title, lines, w)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// buttons draws Cancel and the deed at the right; on is 0, 1 or -1 for neither.
func buttons(st *styles, w int, yes string, on int) string {
	names := []string{"Cancel", yes}
	for i, n := range names {
		if i == on {
			names[i] = st.accent.Render("▸") + " " + st.bold.Reverse(true).Render(" "+n+" ")
		} else {
			names[i] = "   " + n + " "
		}
	}
	return fitRight(names[0]+"   "+names[1], w)
}
