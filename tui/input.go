package tui

import (
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// inputLimit bounds what can be typed or pasted into one field.
const inputLimit = 4000

// input is a line of text that is being typed. It wraps where it is drawn.
type input struct {
	text []rune
	at   int
}

func newInput(s string) input {
	r := []rune(s)
	return input{text: r, at: len(r)}
}

func (in *input) value() string { return string(in.text) }

// paste inserts text without what could harm a terminal; lines become one.
func (in *input) paste(s string) {
	s = strings.ReplaceAll(clean(strings.ReplaceAll(s, "\r\n", "\n")), "\n", " ")
	add := []rune(s)
	add = add[:min(len(add), inputLimit-len(in.text))]
	in.text = append(in.text[:in.at:in.at], append(add, in.text[in.at:]...)...)
	in.at += len(add)
}

// key edits; it reports whether the key was one for editing.
func (in *input) key(k tea.KeyPressMsg) bool {
	switch k.String() {
	case "left", "ctrl+b":
		in.at = max(0, in.at-1)
	case "right", "ctrl+f":
		in.at = min(len(in.text), in.at+1)
	case "home", "ctrl+a":
		in.at = 0
	case "end", "ctrl+e":
		in.at = len(in.text)
	case "backspace":
		if in.at > 0 {
			in.cut(in.at-1, in.at)
		}
	case "delete", "ctrl+d":
		in.cut(in.at, min(len(in.text), in.at+1))
	case "ctrl+u":
		in.cut(0, in.at)
	case "ctrl+k":
		in.cut(in.at, len(in.text))
	case "ctrl+w", "alt+backspace":
		from := in.at
		for from > 0 && in.text[from-1] == ' ' {
			from--
		}
		for from > 0 && in.text[from-1] != ' ' {
			from--
		}
		in.cut(from, in.at)
	default:
		if k.Text == "" || !utf8.ValidString(k.Text) {
			return false
		}
		in.paste(k.Text)
	}
	return true
}

func (in *input) cut(from, to int) {
	in.text = append(in.text[:from:from], in.text[to:]...)
	in.at = from
}

// draw shows the text in lines of w cells, with the cursor where it is focused; at most most lines, those around the
// cursor.
func (in *input) draw(st *styles, w, most int, focused bool) []string {
	var lines []string
	var line strings.Builder
	used, at := 0, 0
	for i := range len(in.text) + 1 {
		cell := " "
		if i < len(in.text) {
			cell = string(in.text[i])
		}
		n := ansi.StringWidth(cell)
		if used+n > w {
			lines = append(lines, line.String())
			line.Reset()
			used = 0
		}
		if i == in.at {
			at = len(lines)
			if focused {
				cell = st.cursor.Render(cell)
			}
		}
		line.WriteString(cell)
		used += n
	}
	lines = append(lines, line.String())
	from := max(0, min(at-most+1, len(lines)-most))
	return lines[from:min(len(lines), from+most)]
}
