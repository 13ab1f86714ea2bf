package sqlfmt

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// rounds after which a layout has to be stable. One is enough but where a comment is moved.
const rounds = 4

// errWrong is a fault of this package, whatever the source.
var errWrong = errors.New("this formatter is wrong")

// Format lays SQL out. The result has the tokens and the comments of the source, and formatting it again changes
// nothing; where that does not hold, or the source cannot be read, Format returns an error.
func Format(src []byte) ([]byte, error) {
	in := strings.ReplaceAll(string(src), "\r\n", "\n")
	for range rounds {
		out, err := once(in)
		if err != nil {
			return nil, err
		}
		if err := same(in, out); err != nil {
			return nil, fmt.Errorf("%w: %w", errWrong, err)
		}
		if out == in {
			return []byte(out), nil
		}
		in = out
	}
	return nil, fmt.Errorf("%w: its layout is not stable", errWrong)
}

func once(src string) (string, error) {
	tokens, err := read(src)
	if err != nil {
		return "", err
	}
	ss, err := script(tokens)
	if err != nil {
		return "", err
	}
	p := &printer{}
	p.statements(ss, 0)
	end := tokens[len(tokens)-1]
	p.newline(0)
	p.above(end.lead, false, len(ss) > 0)
	return p.render(), nil
}

// read turns a file into tokens, and the bodies of functions into code.
func read(src string) ([]*token, error) {
	raw, err := lex(src)
	if err != nil {
		return nil, err
	}
	var tokens []*token
	start := 0
	for i, t := range raw {
		if t.is(";") {
			start = i + 1
		}
		if t.kind != dollar {
			tokens = append(tokens, t)
			continue
		}
		opens, closes, err := opened(raw, start, i)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, opens)
		if closes != nil {
			tokens = append(tokens, closes)
		}
	}
	prepare(tokens)
	return tokens, nil
}

func prepare(tokens []*token) {
	space(tokens)
	index(tokens)
}

// opened splits the dollar token at i in two with the code between them, if it is the body of a function in a known
// language.
func opened(raw []*token, start, i int) (opens, closes *token, err error) {
	t := raw[i]
	language := bodyLanguage(raw, start, i)
	if language == "" {
		return t, nil, nil
	}
	tag := dollarTag(t.text)
	text := t.text[len(tag) : len(t.text)-len(tag)]
	c, err := parseCode(text, language == "plpgsql")
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", functionName(raw[start:i]), err)
	}
	opens, closes = &token{}, &token{kind: closer, text: tag, trail: t.trail}
	*opens = *t
	opens.kind, opens.text, opens.trail, opens.body = opener, tag, "", c
	return opens, closes, nil
}

func parseCode(text string, plpgsql bool) (*code, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	prepare(tokens)
	c := &code{plpgsql: plpgsql, end: tokens[len(tokens)-1], oneLine: !strings.Contains(text, "\n")}
	if plpgsql {
		c.statements, err = plpgsqlBody(tokens)
	} else {
		c.statements, err = script(tokens)
	}
	return c, err
}

// bodyLanguage: the body of do, or of create function in plpgsql or SQL, is code; every other dollar string is a
// string.
func bodyLanguage(raw []*token, start, i int) string {
	if i == start {
		return ""
	}
	language := ""
	switch prev := raw[i-1].word(); {
	case raw[start].word() == "do":
		language = "plpgsql"
	case raw[start].word() != "create" || prev != "as":
		return ""
	}
	for j := start; j+1 < len(raw) && !raw[j].is(";"); j++ {
		if raw[j].kind == dollar && j < i {
			return "" // a statement has one body
		}
		if raw[j].word() == "language" {
			language = strings.ToLower(raw[j+1].text)
		}
	}
	if language == "plpgsql" || language == "sql" {
		return language
	}
	return ""
}

func functionName(tokens []*token) string {
	var b strings.Builder
	for _, t := range tokens {
		if t.is("(") {
			break
		}
		if t.space || b.Len() > 0 && !t.near {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// LongLines are the numbers of the lines that are wider than 120 columns: strings and names that cannot be broken.
func LongLines(src []byte) []int {
	var out []int
	for i, l := range bytes.Split(src, []byte("\n")) {
		if width(string(l)) > columns {
			out = append(out, i+1)
		}
	}
	return out
}
