package sqlfmt

import (
	"fmt"
	"strings"
)

// Kind is what a token is.
type Kind int

// Kinds of tokens, as far as a reader of SQL has to tell them apart.
const (
	Word   Kind = iota // a keyword or an unquoted name
	Text               // a string, however it is quoted
	Symbol             // an operator, a bracket, a comma, a semicolon, a dot
	Other              // a number, a parameter, a quoted name
)

// A Token is one token of SQL. Comments are none.
type Token struct {
	Kind Kind
	Text string // as it is written, or of a Text what it stands for
	Body bool   // it stands in the body of a function
}

// Is says whether the token is a keyword or a symbol.
func (t Token) Is(text string) bool {
	return t.Kind == Word && strings.EqualFold(t.Text, text) || t.Kind == Symbol && t.Text == text
}

// Tokens splits SQL as PostgreSQL's lexer does. The body of DO and of a function in plpgsql or SQL is split as well.
func Tokens(src string) ([]Token, error) {
	return tokensOf(strings.ReplaceAll(src, "\r\n", "\n"), false)
}

func tokensOf(src string, inBody bool) ([]Token, error) {
	raw, err := lex(src)
	if err != nil {
		return nil, err
	}
	var out []Token
	start := 0
	for i, t := range raw {
		switch {
		case t.is(";"):
			start = i + 1
		case t.kind == eof:
			continue
		case t.kind == dollar && !inBody && bodyLanguage(raw, start, i) != "":
			body, err := tokensOf(inDollars(t.text), true)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", functionName(raw[start:i]), err)
			}
			out = append(out, body...)
			continue
		}
		out = append(out, Token{Kind: kinds[t.kind], Text: t.value(), Body: inBody})
	}
	return out, nil
}

var kinds = map[kind]Kind{word: Word, str: Text, dollar: Text, op: Symbol, punct: Symbol, quoted: Other, number: Other,
	param: Other, meta: Other}

// value is the text of a token, without the quotes if it is a string.
func (t *token) value() string {
	switch t.kind {
	case dollar:
		return inDollars(t.text)
	case str:
		open := strings.IndexByte(t.text, '\'')
		text := strings.ReplaceAll(t.text[open+1:len(t.text)-1], "''", "'")
		if open == 1 && (t.text[0] == 'e' || t.text[0] == 'E') {
			text = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\'`, "'").Replace(text)
		}
		return text
	}
	return t.text
}

func inDollars(text string) string {
	tag := dollarTag(text)
	return text[len(tag) : len(text)-len(tag)]
}
