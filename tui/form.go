package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ward-health/ward/tenancy"
)

// option is one of a field's choices: mark stands beside it, note under the list while it is the one picked.
type option struct {
	value, label, mark, note string
}

// field is one thing a form asks: a text, or one of options.
type field struct {
	name, label string
	in          input
	options     []option // a choice; typing filters it
	picked      int      // among the options that match; -1: none yet
	unfiltered  int      // what was picked before something was typed
	choice      bool
	loading     bool
	optional    bool
	note        string              // what is asked for, under the field while it has the focus
	check       func(string) string // what is wrong, in words; empty: nothing
}

// matching are the options that what was typed leaves.
func (f *field) matching() []option {
	typed := strings.ToLower(strings.TrimSpace(f.in.value()))
	var out []option
	for _, o := range f.options {
		if typed == "" || strings.Contains(strings.ToLower(o.value+" "+o.label), typed) {
			out = append(out, o)
		}
	}
	return out
}

// value is the answer.
func (f *field) value() string {
	if !f.choice {
		return strings.TrimSpace(f.in.value())
	}
	if list := f.matching(); f.picked >= 0 && f.picked < len(list) {
		return list[f.picked].value
	}
	return ""
}

// form is a dialog that asks for what an action needs. Its draft outlives every error: only success or the person
// closes it.
//
// Its fields are Bubbles' textinput and textarea; their order, the buttons and the choices are ours, since huh's forms
// cannot keep the rules of the screens (docs/design/terminal-toolkit.md).
type form struct {
	title   string
	about   []string // lines over the fields, drawn as they are
	fields  []*field
	yes     string
	danger  bool // Cancel is focused, and Enter in the last field does not perform
	on      int  // focus: a field, then Cancel, then yes
	wrong   string
	news    []string // what somebody else did since this was opened
	slot    slot
	reads   slot
	reading bool // what the form offers is on its way
	// What the form is about, for one about an anomaly: its id, and the version that the person saw.
	subject string
	version *int
	do      func(*model, answers) tea.Cmd
	load    func(*model, *form) tea.Cmd // reads what the form offers
	shape   func(*form)                 // asks for what the answers so far demand
	hints   []string                    // lines under the fields
	typed   bool
}

// opened focuses what comes first and loads the choices.
func (f *form) opened(m *model) tea.Cmd {
	if f.danger {
		f.on = f.cancelAt()
	}
	if f.load != nil {
		return f.load(m, f)
	}
	return nil
}

func (f *form) cancelAt() int { return len(f.fields) }

func (f *form) dirty() bool { return f.typed }

// manyLines says whether the focus is on a text that has several lines: Enter begins another one.
func (f *form) manyLines() bool {
	if f.on >= len(f.fields) {
		return false
	}
	e, ok := f.fields[f.on].in.(*editor)
	return ok && e.lines
}

func (f *form) keys(m *model) []key.Binding {
	k, deed := m.keys, strings.ToLower(f.yes)
	cancel, next := says(k.leave, "cancel"), says(k.next, "next")
	switch {
	case f.on == f.cancelAt():
		return []key.Binding{says(k.enter, "cancels"), next, cancel}
	case f.on > f.cancelAt():
		return []key.Binding{says(k.enter, deed), next, cancel}
	case f.fields[f.on].choice:
		return []key.Binding{either(k.up, k.down, "choose"), next, cancel}
	case f.manyLines():
		return []key.Binding{says(k.send, deed), says(k.enter, "new line"), next, cancel}
	}
	return []key.Binding{next, says(k.previous, "previous"), says(k.enter, "goes on"), cancel}
}

func (f *form) paste(_ *model, s string) {
	if f.on < len(f.fields) && !f.slot.busy {
		x := f.fields[f.on]
		before := x.in.value()
		f.wrong = x.in.paste(s)
		f.edited(x, before)
	}
}

// edited takes note of another text in a field. In a choice it picks the first option that matches; where nothing is
// typed any more, what was picked before is picked again.
func (f *form) edited(x *field, before string) {
	now := x.in.value()
	if now == before {
		return
	}
	f.typed = true
	if x.choice {
		if before == "" {
			x.unfiltered = x.picked
		}
		if x.picked = 0; now == "" {
			x.picked = x.unfiltered
		}
	}
	f.reshape()
}

// reshape brings the fields to what the answers demand; what was typed into one that stays is
// kept, and so is the focus.
func (f *form) reshape() {
	if f.shape == nil {
		return
	}
	past := f.on - len(f.fields)
	f.shape(f)
	if past >= 0 {
		f.on = len(f.fields) + past
	}
}

func (f *form) key(m *model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	if f.slot.busy {
		return nil, false
	}
	f.wrong = ""
	switch {
	case key.Matches(k, m.keys.next):
		f.next()
	case key.Matches(k, m.keys.previous):
		f.on = (f.on + len(f.fields) + 1) % (len(f.fields) + 2)
	case key.Matches(k, m.keys.send) && f.manyLines() && !f.danger:
		return f.submit(m), false
	case key.Matches(k, m.keys.enter) && !f.manyLines():
		return f.enter(m)
	case f.on >= len(f.fields):
		f.buttonKey(m.keys, k)
	default:
		f.fieldKey(m.keys, f.fields[f.on], k)
	}
	return nil, false
}

func (f *form) buttonKey(keys *keyMap, k tea.KeyPressMsg) {
	switch {
	case key.Matches(k, keys.sideways):
		f.on = f.cancelAt() + 1 - (f.on - f.cancelAt())
	case key.Matches(k, keys.above):
		f.on = max(0, len(f.fields)-1)
	}
}

func (f *form) fieldKey(keys *keyMap, x *field, k tea.KeyPressMsg) {
	up, down := key.Matches(k, keys.up), key.Matches(k, keys.down)
	switch {
	case x.choice && up:
		x.picked, f.typed = max(0, x.picked-1), true
		f.reshape()
	case x.choice && down:
		x.picked, f.typed = min(max(0, len(x.matching())-1), x.picked+1), true
		f.reshape()
	case up && x.in.atTop():
		f.on = max(0, f.on-1)
	case down && x.in.atBottom():
		f.next()
	default:
		before := x.in.value()
		x.in.key(k)
		f.edited(x, before)
	}
}

// next goes to the next field; from Cancel to what is still missing, else to the deed.
func (f *form) next() {
	if f.on != f.cancelAt() {
		f.on = (f.on + 1) % (len(f.fields) + 2)
		return
	}
	for i, x := range f.fields {
		if x.value() == "" && !x.optional {
			f.on = i
			return
		}
	}
	f.on++
}

// enter cancels on Cancel, performs on the deed, and otherwise goes on; in the last field of a harmless form it
// performs.
func (f *form) enter(m *model) (tea.Cmd, bool) {
	switch {
	case f.on == f.cancelAt():
		return m.leave(f, false), false
	case f.on > f.cancelAt() || (f.on == len(f.fields)-1 && !f.danger):
		return f.submit(m), false
	}
	f.on++
	return nil, false
}

// submit checks the fields and performs. The form stays until the answer is there.
func (f *form) submit(m *model) tea.Cmd {
	if f.reading {
		f.wrong = "what this is about has not been read yet"
		return nil
	}
	in := answers{}
	for _, x := range f.fields {
		in[x.name] = x.value()
	}
	for i, x := range f.fields {
		if x.choice && x.value() == "" && !x.optional {
			f.wrong, f.on = "choose one: "+strings.ToLower(x.label), i
			return nil
		}
		if x.check == nil {
			continue
		}
		if f.wrong = x.check(in[x.name]); f.wrong != "" {
			f.on = i
			return nil
		}
	}
	f.news = nil
	return f.do(m, in)
}

// changing is a call that changes something.
type changing[T any] func(context.Context) (T, error)

// asker is a dialog that stays open until what it asked for is done.
type asker interface {
	dialog
	answering() *slot
	// refused keeps the draft and says why.
	refused(err error)
}

func (f *form) answering() *slot { return &f.slot }

// send performs what the topmost dialog asked for, and closes that when it is done; what is performed without a dialog
// uses the slot given. failed is what else follows a failure (nil: nothing).
func send[T any](m *model, otherwise *slot, fn changing[T], done func(*model, T) tea.Cmd,
	failed func(*model, error) tea.Cmd,
) tea.Cmd {
	a, asked := m.top().(asker)
	s := otherwise
	if asked {
		s = a.answering()
	}
	s.failed = func(m *model, err error) tea.Cmd {
		if asked {
			a.refused(err)
		}
		if failed == nil {
			return nil
		}
		return failed(m, err)
	}
	return perform(m, s, fn, func(m *model, v T) tea.Cmd {
		if asked {
			m.remove(a)
		}
		return done(m, v)
	})
}

// refused keeps the draft, says why, and moves the focus where a hasty Enter does no harm.
func (f *form) refused(err error) {
	f.wrong = errorWords(err)
	f.on = f.cancelAt()
	if errors.Is(err, tenancy.ErrConflict) {
		f.wrong = "somebody changed it since you looked: read what they did, your text is kept"
	}
}

func (f *form) view(m *model, w, h int) []string {
	w = min(w-2, 84)
	inner := w - 4
	var lines []string
	for _, l := range f.about {
		lines = append(lines, wrapStyled(l, inner)...)
	}
	if len(lines) > 0 {
		lines = append(lines, "")
	}
	label := 0
	for _, x := range f.fields {
		label = max(label, len(x.label))
	}
	for i, x := range f.fields {
		room := h - len(lines) - 6 - (len(f.fields) - i)
		lines = append(lines, f.drawField(m.st, x, i == f.on, label, inner, room)...)
	}
	for _, l := range f.hints {
		lines = append(lines, m.st.dim.Render(fit(l, inner)))
	}
	for _, n := range f.news {
		lines = append(lines, m.st.warn.Render(fit(n, inner)))
	}
	if f.wrong != "" {
		for _, l := range wrap(f.wrong, inner) {
			lines = append(lines, m.st.bad.Render(l))
		}
	}
	lines = append(lines, "", buttons(m.st, inner, f.yes, max(-1, f.on-f.cancelAt())))
	return box(m.st, f.title, lines, w)
}

// How many lines of a text are shown: of one that is typed in a line, and of a note.
const (
	fieldLines = 4
	noteLines  = 12
)

func (f *form) drawField(st *styles, x *field, on bool, label, w, room int) []string {
	name, indent := fit(x.label, label), strings.Repeat(" ", label)
	if on {
		name = st.accent.Render(name)
	}
	w = max(leastInput, w-label-2)
	most := fieldLines
	switch {
	case x.choice && !on:
		return []string{name + "  " + chosen(st, x)}
	case !on && len(f.fields) > 3: // or they would not all be shown
		return []string{name + "  " + fit(x.in.value(), w)}
	case on && f.manyLines():
		most = max(fieldLines, min(noteLines, room))
	}
	var lines []string
	for _, l := range x.in.draw(w, most, on) {
		lines = append(lines, name+"  "+l)
		name = indent
	}
	if x.choice {
		return append(lines, drawOptions(st, x, label, w, max(3, min(room-4, 11)))...)
	}
	left, note := x.in.room(), x.note
	if left != "" {
		lines = append(lines, indent+"  "+st.warn.Render(fit(left, w)))
	} else if on && note != "" {
		lines = append(lines, indent+"  "+st.dim.Render(fit(note, w)))
	}
	return lines
}

// chosen is a choice that has not the focus.
func chosen(st *styles, x *field) string {
	if x.loading {
		return st.dim.Render("loading …")
	}
	if list := x.matching(); x.picked >= 0 && x.picked < len(list) {
		return list[x.picked].label
	}
	return st.dim.Render("none chosen")
}

// drawOptions draws the options of a choice that has the focus, beside its label, w cells wide.
func drawOptions(st *styles, x *field, label, w, most int) []string {
	indent := strings.Repeat(" ", label+2)
	list := x.matching()
	switch {
	case x.loading:
		return []string{indent + st.dim.Render("loading …")}
	case len(list) == 0:
		return []string{indent + st.dim.Render("nothing matches")}
	}
	from := max(0, min(x.picked-most+1, len(list)-most))
	var lines []string
	wide := 0
	for _, o := range list {
		wide = max(wide, ansi.StringWidth(o.label))
	}
	for i, o := range list[from:min(len(list), from+most)] {
		mark, name := "  ", fit(o.label, wide)
		if from+i == x.picked {
			mark, name = st.accent.Render("▸ "), st.bold.Render(name)
		}
		lines = append(lines, indent+mark+name+"  "+st.dim.Render(o.mark))
	}
	if more := len(list) - from - most; more > 0 {
		lines = append(lines, indent+st.dim.Render(fmt.Sprintf("  … %d more", more)))
	}
	if x.picked >= 0 && x.picked < len(list) {
		for _, l := range wrap(list[x.picked].note, max(10, w-2)) {
			lines = append(lines, indent+"  "+st.accent.Render(l))
		}
	}
	return lines
}

// form is the form that is being answered, if one is.
func (m *model) form() *form {
	f, _ := m.top().(*form)
	return f
}

// text is a field for text; what must be there says what is missing.
func text(name, label, prefill, missing string) *field {
	f := &field{name: name, label: label, in: newEditor(prefill, false), optional: missing == ""}
	f.check = func(s string) string {
		if len([]rune(s)) < 4 && missing != "" {
			return missing
		}
		return ""
	}
	return f
}

// noteField is a field for text with lines.
func noteField(name, label, missing string) *field {
	f := text(name, label, "", missing)
	f.in = newEditor("", true)
	return f
}

// reasonField asks why, which the database wants in at least four characters.
func reasonField(prefill string) *field {
	return text("reason", "Reason", prefill,
		"a reason of at least four characters is needed: it has to hold years later")
}

// choices is a field for one of options.
func choices(name, label string, options []option) *field {
	in := newEntry("", "type to filter")
	return &field{name: name, label: label, in: in, options: options, choice: true, picked: -1}
}

// reading reads what a form offers. A form whose offer could not be read says so; it cannot be performed before.
func reading[T any](m *model, f *form, fn changing[T], done func(*model, T) tea.Cmd) tea.Cmd {
	f.reading = true
	f.reads.failed = func(_ *model, err error) tea.Cmd {
		f.refused(err)
		for _, x := range f.fields {
			x.loading = false
		}
		return nil
	}
	return perform(m, &f.reads, fn, func(m *model, v T) tea.Cmd {
		f.reading = false
		return done(m, v)
	})
}
