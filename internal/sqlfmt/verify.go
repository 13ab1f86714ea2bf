package sqlfmt

import (
	"fmt"
	"slices"
	"strings"
)

// same says whether two texts have the same tokens, and the same comments but for blanks and line ends in them.
func same(a, b string) error {
	ta, err := lex(a)
	if err != nil {
		return err
	}
	tb, err := lex(b)
	if err != nil {
		return fmt.Errorf("the result cannot be read: %w", err)
	}
	for i := range min(len(ta), len(tb)) {
		if err := sameToken(ta, tb, i); err != nil {
			return err
		}
	}
	if len(ta) != len(tb) {
		return fmt.Errorf("%d tokens have become %d", len(ta), len(tb))
	}
	if ca, cb := remarks(ta), remarks(tb); !slices.Equal(ca, cb) {
		return fmt.Errorf("comments have changed: %q became %q", ca, cb)
	}
	return nil
}

func sameToken(ta, tb []*token, i int) error {
	x, y := ta[i], tb[i]
	switch {
	case x.kind == y.kind && x.text == y.text:
	case x.kind == word && y.kind == word && keywords[x.word()] && strings.EqualFold(x.text, y.text):
	case x.kind == dollar && y.kind == dollar && i > 0 && bodyLanguage(ta, statementStart(ta, i), i) != "":
		tag := dollarTag(x.text)
		if tag != dollarTag(y.text) {
			return fmt.Errorf("%s became %s", tag, dollarTag(y.text))
		}
		return same(x.text[len(tag):len(x.text)-len(tag)], y.text[len(tag):len(y.text)-len(tag)])
	default:
		return fmt.Errorf("%q became %q", x.text, y.text)
	}
	// 'a' and 'b' on two lines are one string, on one line they are an error
	apart := func(tokens []*token) bool { return tokens[i].brk || tokens[i-1].trail != "" }
	if i > 0 && x.kind == str && ta[i-1].kind == str && apart(ta) && !apart(tb) {
		return fmt.Errorf("the string %s is no longer on a line of its own", x.text)
	}
	return nil
}

func statementStart(tokens []*token, i int) int {
	for i > 0 && !tokens[i-1].is(";") {
		i--
	}
	return i
}

// remarks are the words of the comments, and each /* */ as it is but for blanks at the ends of its lines. A comment
// may move from behind a line to above it.
func remarks(tokens []*token) []string {
	var out []string
	add := func(text string, block bool) {
		if block {
			for _, l := range strings.Split(text, "\n") {
				out = append(out, strings.TrimRight(l, " \t\r"))
			}
			return
		}
		out = append(out, strings.Fields(strings.TrimPrefix(text, "--"))...)
	}
	for _, t := range tokens {
		for _, r := range t.lead {
			add(r.text, r.block)
		}
		if t.trail != "" {
			add(t.trail, t.trail[0] == '/')
		}
	}
	return out
}
