package tui

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textarea"
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

const (
	// inputLimit is how many characters one field takes.
	inputLimit = 4000
	// limitNear is how many characters are left when a field begins to say so.
	limitNear = 500
	// leastInput is the narrowest field that Bubbles' fields wrap and scroll well in.
	leastInput = 8
)

// input is where a person types. Bubbles' fields do the editing. This package keeps three things away from them:
// what could harm a terminal (they drop control characters only, not those that reorder or hide text), text that would
// be cut at the limit without a word, and the system's clipboard, which they read and write by starting programs.
type input interface {
	value() string
	set(s string)
	// key edits; it reports whether the text is another one now.
	key(k tea.KeyPressMsg) bool
	// paste inserts a text as a whole. If it does not fit, nothing is inserted, and paste says so.
	paste(s string) (wrong string)
	// atTop and atBottom say whether up and down have nowhere to go within the text.
	atTop() bool
	atBottom() bool
	// draw shows the text in at most most lines of w cells, those around the cursor.
	draw(w, most int, focused bool) []string
	// room says how many characters still fit, once that is few; else nothing.
	room() string
}

// entry is one line, which scrolls sideways: a filter, or the name of a command.
type entry struct{ model textinput.Model }

func newEntry(s, placeholder string) *entry {
	e := &entry{model: textinput.New()}
	e.model.Prompt, e.model.Placeholder = "", placeholder
	e.model.KeyMap.Paste.Unbind()
	e.model.KeyMap.AcceptSuggestion.Unbind()
	// The cursor stands still: a blinking one writes to the terminal while nothing happens.
	look := textinput.StyleState{Placeholder: newStyles().dim}
	e.model.SetStyles(textinput.Styles{Focused: look, Blurred: look})
	e.model.Focus()
	e.set(s)
	return e
}

func (e *entry) value() string  { return e.model.Value() }
func (e *entry) atTop() bool    { return true }
func (e *entry) atBottom() bool { return true }

func (e *entry) set(s string) {
	e.model.SetValue(oneLine(s))
	e.model.CursorEnd()
}

func (e *entry) key(k tea.KeyPressMsg) bool {
	before := e.model.Value()
	k.Text = clean(k.Text)
	last := e.model.Position() >= utf8.RuneCountInString(before)-1
	if last && key.Matches(k, e.model.KeyMap.DeleteWordForward) {
		k = tea.KeyPressMsg{Code: tea.KeyDelete} // on the last character textinput v2.2.1 panics
	}
	if tooLong(before, k.Text) == "" {
		e.model, _ = e.model.Update(k)
	}
	return e.model.Value() != before
}

func (e *entry) paste(s string) string {
	s = oneLine(s)
	if wrong := tooLong(e.model.Value(), s); wrong != "" {
		return wrong
	}
	e.model, _ = e.model.Update(tea.PasteMsg{Content: s})
	return ""
}

func (e *entry) draw(w, _ int, focused bool) []string {
	// One cell is left for a cursor that stands behind the last character.
	if w = max(leastInput, w); w-1 != e.model.Width() {
		at := e.model.Position()
		e.model.SetWidth(0) // forgets what was scrolled away
		e.model.CursorStart()
		e.model.SetWidth(w - 1)
		e.model.CursorEnd()
		e.model.SetCursor(at)
	}
	if !focused {
		e.model.Blur()
	}
	view := fit(e.model.View(), w)
	e.model.Focus() // or it would take no key
	return []string{view}
}

// editor is text that wraps: a reason, or a note, which may have several lines.
type editor struct {
	model textarea.Model
	lines bool
}

func newEditor(s string, lines bool) *editor {
	e := &editor{model: textarea.New(), lines: lines}
	m := &e.model
	m.Prompt, m.ShowLineNumbers, m.MaxWidth, m.DynamicHeight = "", false, 0, true
	m.MaxContentHeight = 2 * inputLimit // the limit of characters decides, not how many lines are drawn
	k := &m.KeyMap
	for _, unused := range []interface{ Unbind() }{
		&k.Paste, &k.CopySelection, &k.SelectAll, &k.SelectCharacterForward, &k.SelectCharacterBackward,
		&k.SelectWordForward, &k.SelectWordBackward, &k.SelectLineUp, &k.SelectLineDown, &k.UppercaseWordForward,
		&k.LowercaseWordForward, &k.CapitalizeWordForward, &k.TransposeCharacterBackward,
	} {
		unused.Unbind()
	}
	if !lines {
		k.InsertNewline.Unbind()
	}
	m.SetStyles(textarea.Styles{}) // plain, and a cursor that stands still
	m.Focus()
	e.set(s)
	return e
}

func (e *editor) value() string { return e.model.Value() }
func (e *editor) set(s string)  { e.model.SetValue(e.kept(s)) }

// kept is text as this field keeps it.
func (e *editor) kept(s string) string {
	if e.lines {
		return cleanLines(s)
	}
	return oneLine(s)
}

func (e *editor) atTop() bool {
	return e.model.Line() == 0 && e.model.LineInfo().RowOffset == 0
}

func (e *editor) atBottom() bool {
	line := e.model.LineInfo()
	return e.model.Line() == e.model.LineCount()-1 && line.RowOffset+1 >= line.Height
}

func (e *editor) key(k tea.KeyPressMsg) bool {
	before := e.model.Value()
	added := clean(k.Text)
	if k.Text = added; k.String() == "enter" {
		added = "\n"
	}
	if tooLong(before, added) == "" {
		e.model, _ = e.model.Update(k)
	}
	return e.model.Value() != before
}

func (e *editor) paste(s string) string {
	s = e.kept(s)
	if wrong := tooLong(e.model.Value(), s); wrong != "" {
		return wrong
	}
	e.model, _ = e.model.Update(tea.PasteMsg{Content: s})
	return ""
}

func (e *entry) room() string  { return roomFor(e.model.Value()) }
func (e *editor) room() string { return roomFor(e.model.Value()) }

func roomFor(held string) string {
	left := inputLimit - utf8.RuneCountInString(held)
	if left > limitNear {
		return ""
	}
	return fmt.Sprintf("%s of %s characters left", thousands(int64(left)), thousands(inputLimit))
}

func (e *editor) draw(w, most int, focused bool) []string {
	e.model.MaxHeight = max(1, most)
	e.model.SetWidth(max(leastInput, w))
	e.model, _ = e.model.Update(nil) // brings the cursor into what is seen
	if !focused {
		e.model.Blur()
	}
	view := e.model.View()
	e.model.Focus() // or it would take no key
	return strings.Split(view, "\n")
}

// cleanLines is clean for text with lines; terminals end the lines of what is pasted with a carriage return.
func cleanLines(s string) string {
	return clean(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s))
}

func oneLine(s string) string { return strings.ReplaceAll(cleanLines(s), "\n", " ") }

// tooLong says that a field cannot take more of a text; empty: it can.
func tooLong(held, more string) string {
	n, left := utf8.RuneCountInString(more), inputLimit-utf8.RuneCountInString(held)
	if n <= max(0, left) {
		return ""
	}
	return fmt.Sprintf("nothing was pasted: it has %s characters, and %s more fit here", thousands(int64(n)),
		thousands(int64(max(0, left))))
}
