package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// Terminals end the lines of what is pasted with CR. A note keeps its lines, one line keeps a space between them, and
// what could harm a terminal is gone from both.
func TestPasteIsCleaned(t *testing.T) {
	const pasted = "x\x1b[2J\rtwo\r\nthree\nfour\u202Efive\x00"
	for want, in := range map[string]input{
		"ax two three fourfiveb":      newEntry("ab", ""),
		"ax two three fourfiveb ":     newEditor("ab ", false),
		"ax\ntwo\nthree\nfourfiveb  ": newEditor("ab  ", true),
	} {
		in.key(keyPress("home"))
		in.key(keyPress("right"))
		if wrong := in.paste(pasted); wrong != "" || in.value() != want {
			t.Errorf("%q, %q, want %q", in.value(), wrong, want)
		}
	}
}

// What does not fit is refused as a whole and said: it is never cut without a word.
func TestPasteIsNotCut(t *testing.T) {
	for _, in := range []input{newEntry("", ""), newEditor("", false), newEditor("", true)} {
		if wrong := in.paste(strings.Repeat("z", inputLimit-1)); wrong != "" {
			t.Fatal(wrong)
		}
		const says = "nothing was pasted: it has 2 characters, and 1 more fit here"
		if wrong := in.paste("李李"); wrong != says || len(in.value()) != inputLimit-1 {
			t.Errorf("%q, with %d characters", wrong, len(in.value()))
		}
		y, enter := keyPress("y"), keyPress("enter")
		if !in.key(y) || in.key(y) || in.key(enter) || len(in.value()) != inputLimit {
			t.Errorf("%d characters typed, want %d", len(in.value()), inputLimit)
		}
		if !in.key(keyPress("backspace")) {
			t.Error("a full field cannot be edited")
		}
	}
}

// A note says how much still fits before its end is reached.
func TestLimitIsShownBefore(t *testing.T) {
	m := goldenQueue(80, 24)
	press(t, m, "n")
	m.Update(tea.PasteMsg{Content: strings.Repeat("z", inputLimit-limitNear-1)})
	if strings.Contains(screenText(m), "characters left") {
		t.Error("it says so too early")
	}
	m.Update(tea.PasteMsg{Content: "zz"})
	mustShow(t, m, "499 of 4 000 characters left")
	m.Update(tea.PasteMsg{Content: strings.Repeat("z", 60_000)})
	mustShow(t, m, "nothing was pasted: it has 60 000 characters, and 499 more fit here")
}

// What is typed is cleaned too: a terminal sends what an input method or a keyboard makes.
func TestTypedTextIsCleaned(t *testing.T) {
	for _, in := range []input{newEntry("", ""), newEditor("", false), newEditor("", true)} {
		for _, s := range []string{"a", "\u202E", "é", "\u200B", "李", "e\u0301", "\x9b31m", "\U000E0041"} {
			in.key(tea.KeyPressMsg{Code: tea.KeyExtended, Text: s})
		}
		if want := "aé李e\u030131m"; in.value() != want {
			t.Errorf("%q, want %q", in.value(), want)
		}
	}
}

// The keys that people expect in a field.
func TestEditingKeys(t *testing.T) {
	for _, field := range []func(string) input{
		func(s string) input { return newEntry(s, "") },
		func(s string) input { return newEditor(s, false) },
		func(s string) input { return newEditor(s, true) },
	} {
		for keys, want := range map[string]string{
			"ctrl+w":                         "one two ",
			"alt+backspace":                  "one two ",
			"ctrl+u":                         "",
			"home ctrl+k":                    "",
			"ctrl+a X":                       "Xone two three",
			"ctrl+left X":                    "one two Xthree",
			"alt+b alt+b X":                  "one Xtwo three",
			"ctrl+a ctrl+right X":            "oneX two three",
			"ctrl+a alt+f X":                 "oneX two three",
			"ctrl+a alt+d":                   " two three",
			"left alt+d":                     "one two thre",
			"end alt+d":                      "one two three",
			"home delete":                    "ne two three",
			"home ctrl+d end X":              "ne two threeX",
			"left left backspace":            "one two thee",
			"ctrl+b ctrl+b ctrl+f backspace": "one two thre",
		} {
			in := field("one two three")
			for _, k := range strings.Fields(keys) {
				in.key(keyPress(k))
			}
			if in.value() != want {
				t.Errorf("%s: %q, want %q", keys, in.value(), want)
			}
		}
	}
}

// No key starts a program to reach the clipboard, and none starts a timer.
func TestFieldsAskForNothing(t *testing.T) {
	for _, k := range []string{"ctrl+v", "ctrl+shift+c", "ctrl+g", "x", "left"} {
		e, a := newEntry("text", ""), newEditor("text", true)
		_, entered := e.model.Update(keyPress(k))
		_, edited := a.model.Update(keyPress(k))
		for _, cmd := range []tea.Cmd{entered, edited, e.model.Focus(), a.model.Focus()} {
			if cmd != nil && cmd() != nil {
				t.Errorf("%s asks for something", k)
			}
		}
	}
}

// A field is never wider than it may be, nor without its cursor, whatever is typed into it.
func FuzzTyping(f *testing.F) {
	f.Add("plain words that wrap where they must", uint8(20), []byte("\x00\x01\x02\x03"))
	f.Add("李李李李 wide 李李李李李李李李李李 and e\u0301e\u0301e\u0301", uint8(9),
		[]byte("\x04\x05\x06\x07\x08"))
	f.Add("abcdefg李abcdefg李\n\n\nx", uint8(8), []byte("\x09\x0a\x0b\x0c\x0d\x0e"))
	keys := []string{"left", "right", "up", "down", "home", "end", "ctrl+w", "ctrl+k", "ctrl+u", "alt+b", "alt+f",
		"backspace", "delete", "alt+d", "enter", "李", " "}
	f.Fuzz(func(t *testing.T, s string, w uint8, pressed []byte) {
		width := leastInput + int(w)%60
		for _, in := range []input{newEntry(s, ""), newEditor(s, false), newEditor(s, true)} {
			for i := range 1 + len(pressed) {
				if i > 0 {
					in.key(keyPress(keys[int(pressed[i-1])%len(keys)]))
				}
				lines := in.draw(width, 4, true)
				view := strings.Join(lines, "\n")
				if len(lines) > 4 || strings.Count(view, "\x1b[7m") != 1 {
					t.Fatalf("%d lines with %q", len(lines), view)
				}
				for _, l := range lines {
					if n := ansi.StringWidth(l); n > width {
						t.Fatalf("%d cells of %d: %q", n, width, l)
					}
				}
			}
		}
	})
}
