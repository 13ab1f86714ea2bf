package sqlfmt

import (
	"strings"
	"unicode/utf8"
)

// space decides for each token whether a blank stands before it. It looks at tokens and, where the grammar alone does
// not tell a call from a list of columns, at what the author did.
func space(tokens []*token) {
	for i := 1; i < len(tokens); i++ {
		tokens[i].space = spaced(tokens, i) || !tokens[i].near && merge(tokens[i-1].text, tokens[i].text)
	}
}

// merge says whether two tokens would be others without a blank between them, as . and 5 would.
func merge(a, b string) bool {
	tokens, err := lex(a + b)
	return err != nil || len(tokens) != 3 || tokens[0].text != a || tokens[1].text != b
}

func spaced(tokens []*token, i int) bool {
	p, c := tokens[i-1], tokens[i]
	switch {
	case c.kind == opener || p.kind == opener || c.kind == closer || c.kind == meta || c.kind == eof:
		return true
	case c.is(",") || c.is(";") || c.is(")") || c.is("]") || c.is("}") ||
		p.is("(") || p.is("[") || p.is("{"):
		return false
	case label(tokens, i):
		return false
	case p.kind == op && c.kind == op && !p.is(".") && !p.is("..") && !c.is(".."):
		return true
	case tight(p) || tight(c):
		return p.kind == number && c.is(".") || p.is("..") && c.kind == number && c.text[0] == '.'
	case p.is(":") || c.is(":"), c.is("{"):
		return !c.near
	case c.kind == param && c.text[0] == ':' && (ends(p) && p.word() == "" || p.kind == word && !keywords[p.word()]):
		return !c.near
	case p.kind == op && unary(tokens, i-1):
		return false
	case p.is("%") && (c.word() == "type" || c.word() == "rowtype"),
		c.is("%") && i+1 < len(tokens) && (tokens[i+1].word() == "type" || tokens[i+1].word() == "rowtype"):
		return false
	case c.is("["):
		subscript := p.kind == word || p.kind == quoted || p.kind == param || p.is("]") || p.is(")")
		return !subscript
	case c.is("("):
		return beforeParen(tokens, i)
	}
	return true
}

// tight: nothing stands around it.
func tight(t *token) bool {
	if t.kind != op {
		return false
	}
	switch t.text {
	case ".", "::", "..", "->", "->>", "#>", "#>>":
		return true
	}
	return false
}

// ends says whether an operand can end with the token.
func ends(t *token) bool {
	switch t.kind {
	case word:
		return !keywords[t.word()] || operandWords[t.word()]
	case quoted, str, dollar, number, param:
		return true
	}
	return t.is(")") || t.is("]")
}

// unary says whether the operator at i has no left operand.
func unary(tokens []*token, i int) bool {
	if i > 0 && (ends(tokens[i-1]) || tokens[i-1].kind == closer) {
		return false
	}
	switch tokens[i].text {
	case "-", "+", "~", "@", "|/", "||/", "!!":
		return true
	}
	return false
}

// label: << and >> round the name of a block.
func label(tokens []*token, i int) bool {
	starts := func(n int) bool {
		return n >= 0 && tokens[n].is("<<") && (n == 0 || tokens[n-1].is(";") || blockWords[tokens[n-1].word()])
	}
	return starts(i-1) || tokens[i].is(">>") && starts(i-2)
}

// beforeParen: a call has no blank before its arguments; a keyword, or a table before its columns, has one.
func beforeParen(tokens []*token, i int) bool {
	p := tokens[i-1]
	switch {
	case p.kind == quoted, p.kind == word && p.word() == "", p.kind == word && !spacedWords[p.word()]:
	default:
		return true
	}
	n := i - 2 // before the name, which may be a.b.c
	for n > 0 && tokens[n].is(".") {
		n -= 2
	}
	if n < 0 {
		return !tokens[i].near
	}
	before := tokens[n]
	switch before.word() {
	case "into", "table", "references":
		return true
	case "exists":
		return n > 0 && (tokens[n-1].word() == "not" || tokens[n-1].word() == "if")
	case "on":
		return inIndex(tokens, n) || !tokens[i].near
	case "as", "view", "only", "with", "recursive", "copy", "type", "update", "conflict", "index", "by":
		return !tokens[i].near
	case "":
		// an alias with its columns, or two names in a row
		if ends(before) {
			return !tokens[i].near
		}
	}
	afterName := before.word() != "" && !keywords[before.word()]
	return !tokens[i].near && (afterName || namesColumns(tokens, i))
}

// inIndex: the on at n is that of create index.
func inIndex(tokens []*token, n int) bool {
	for n--; n >= 0 && !tokens[n].is(";") && !tokens[n].is(")"); n-- {
		if tokens[n].word() == "index" {
			return true
		}
	}
	return false
}

// namesColumns: the bracket at i is that of "with a (x, y) as (...)".
func namesColumns(tokens []*token, i int) bool {
	for i++; i < len(tokens); i++ {
		switch {
		case tokens[i].is(")"):
			return i+2 < len(tokens) && tokens[i+1].word() == "as" && tokens[i+2].is("(")
		case tokens[i].kind != word && tokens[i].kind != quoted && !tokens[i].is(","):
			return false
		}
	}
	return false
}

// index gives each token its place on an endless line, and counts what comes before it.
func index(tokens []*token) {
	at, hards, brks := 0, 0, 0
	for i, t := range tokens {
		if t.space && i > 0 {
			at++
		}
		for _, r := range t.lead {
			at += width(r.text) + 1
		}
		if i > 0 && forced(tokens[i-1], t) {
			hards++
		}
		if t.brk {
			brks++
		}
		t.at, t.hards, t.brks = at, hards, brks
		at += width(t.text)
		if strings.Contains(t.text, "\n") {
			hards++
		}
	}
}

// forced: a new line has to begin between the two, because of a comment or of a string that goes on in the next line.
func forced(p, t *token) bool {
	return p.trail != "" || t.ownRemarks() || p.kind == str && t.kind == str && t.brk || p.kind == meta
}

func width(s string) int { return utf8.RuneCountInString(s) }

func multiline(t *token) bool { return strings.Contains(t.text, "\n") }
