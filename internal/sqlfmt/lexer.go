package sqlfmt

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind int

const (
	word    kind = iota // a keyword or an unquoted identifier
	quoted              // "identifier"
	str                 // 'text', E'text', B'...', X'...', N'...', U&'...'
	dollar              // $tag$ text $tag$
	number              // 1, 1.5, 1e3, .5
	param               // $1, :name, :'name', :"name"
	op                  // an operator, also :: := => .. and .
	punct               // ( ) [ ] { } , ; :
	meta                // a psql command, from the backslash to the end of its line
	eof                 // carries the comments at the end
	opener              // the $tag$ that opens a body which is laid out as code
	closer              // the $tag$ that closes it
	comment             // only within the lexer
)

// A remark is one comment: -- to the end of a line, or one /* */.
type remark struct {
	text  string
	block bool
	own   bool // nothing but comments stands before it on its line
	blank bool // an empty line stands before it
}

// A token is what PostgreSQL's lexer would see, with the comments before it and the one behind it.
type token struct {
	kind kind
	text string

	lead  []remark // comments since the token before, but for that token's trail
	trail string   // the comment that ends the token's line, or ""

	near  bool // the author put nothing between the token before and this one
	brk   bool // the author began a line with it (a comment before it on the line counts as part of it)
	blank bool // an empty line stands before it, after its last comment

	afterDot bool // x.begin is a name, whatever begin means elsewhere
	space    bool // a space stands before it when it shares a line with the token before

	// Of all tokens before it on one line: where it starts, how many places force a new line, and how many the author
	// broke.
	at, hards, brks int

	body *code // of an opener
}

// word is the lower-case text of an unquoted word that can be a keyword, or "".
func (t *token) word() string {
	if t == nil || t.kind != word || t.afterDot {
		return ""
	}
	return strings.ToLower(t.text)
}

func (t *token) is(text string) bool {
	return t != nil && t.text == text && (t.kind == op || t.kind == punct)
}

// ownRemarks says whether a comment before the token needs a line of its own.
func (t *token) ownRemarks() bool {
	for _, r := range t.lead {
		if r.own || !r.block {
			return true
		}
	}
	return false
}

type lexer struct {
	src string
	pos int
}

// lex splits SQL into tokens. The last one is eof.
func lex(src string) ([]*token, error) {
	l := &lexer{src: src}
	var out []*token
	var lead []remark
	start := true // nothing but blanks and comments on this line so far
	lines := 0    // line ends since the last token or comment
	near := true
	brk := false
	for {
		blanks, ends := l.blanks()
		lines, near = lines+ends, near && !blanks
		if ends > 0 {
			start, brk = true, true
		}
		begin := l.pos
		k, err := l.next()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", 1+strings.Count(src[:begin], "\n"), err)
		}
		text := src[begin:l.pos]
		if k == meta {
			text = strings.TrimRight(text, " \t\r\f\v")
		}
		if k == comment {
			r := remark{text: strings.TrimRight(text, " \t\r"), block: text[0] == '/', own: start, blank: lines > 1}
			if l.endsLine() && !start && len(lead) == 0 && len(out) > 0 && !strings.Contains(text, "\n") {
				out[len(out)-1].trail = r.text
			} else {
				lead = append(lead, r)
			}
			lines, near = 0, false
			continue
		}
		t := &token{kind: k, text: text, lead: lead, near: near, brk: brk && len(out) > 0, blank: lines > 1}
		if n := len(out); n > 0 {
			t.afterDot = out[n-1].is(".")
		}
		out = append(out, t)
		if k == eof {
			return out, nil
		}
		lead, lines, near, start, brk = nil, 0, true, false, false
	}
}

func (l *lexer) rest() string { return l.src[l.pos:] }

func (l *lexer) peek(n int) byte {
	if l.pos+n < len(l.src) {
		return l.src[l.pos+n]
	}
	return 0
}

// blanks skips white space; it says whether there was any, and how many line ends.
func (l *lexer) blanks() (some bool, ends int) {
	for l.pos < len(l.src) && strings.IndexByte(" \t\r\n\f\v", l.src[l.pos]) >= 0 {
		if l.src[l.pos] == '\n' {
			ends++
		}
		l.pos++
		some = true
	}
	return some, ends
}

func (l *lexer) endsLine() bool {
	line, _, _ := strings.Cut(l.rest(), "\n")
	return strings.TrimSpace(line) == ""
}

// next moves over one token.
func (l *lexer) next() (kind, error) {
	c := l.peek(0)
	r, size := utf8.DecodeRuneInString(l.rest())
	switch {
	case size == 0:
		return eof, nil
	case r == utf8.RuneError && size == 1, c < ' ':
		return 0, fmt.Errorf("byte %#x is no SQL", c)
	case c == '-' && l.peek(1) == '-':
		l.line()
		return comment, nil
	case c == '/' && l.peek(1) == '*':
		return comment, l.block()
	case c == '\'':
		return str, l.quote('\'', false)
	case c == '"':
		return quoted, l.quote('"', false)
	case c == '\\':
		l.line()
		return meta, nil
	case c == '$':
		return l.dollar()
	case c == ':':
		return l.colon()
	case isDigit(c), c == '.' && isDigit(l.peek(1)):
		l.number()
		return number, nil
	case c == '.':
		l.pos++
		if l.peek(0) == '.' {
			l.pos++
		}
		return op, nil
	case strings.IndexByte("()[]{},;", c) >= 0:
		l.pos++
		return punct, nil
	case strings.IndexByte(operators, c) >= 0:
		l.operator()
		return op, nil
	case startsWord(r):
		return l.word()
	}
	return 0, fmt.Errorf("%q is no SQL", r)
}

func (l *lexer) line() {
	n := strings.IndexByte(l.rest(), '\n')
	if n < 0 {
		n = len(l.rest())
	}
	l.pos += n
}

// block moves over a comment, which may hold others.
func (l *lexer) block() error {
	for depth := 0; l.pos < len(l.src); {
		switch {
		case strings.HasPrefix(l.rest(), "/*"):
			depth++
			l.pos += 2
		case strings.HasPrefix(l.rest(), "*/"):
			depth--
			l.pos += 2
			if depth == 0 {
				return nil
			}
		default:
			l.pos++
		}
	}
	return fmt.Errorf("a comment has no end")
}

func (l *lexer) quote(q byte, escapes bool) error {
	for l.pos++; l.pos < len(l.src); l.pos++ {
		switch {
		case escapes && l.src[l.pos] == '\\':
			l.pos++
		case l.src[l.pos] != q:
		case l.peek(1) == q:
			l.pos++
		default:
			l.pos++
			return nil
		}
	}
	return fmt.Errorf("a %c has no end", q)
}

// dollar is a parameter or a string between $tag$ and $tag$.
func (l *lexer) dollar() (kind, error) {
	if isDigit(l.peek(1)) {
		for l.pos++; isDigit(l.peek(0)); l.pos++ {
		}
		return param, nil
	}
	tag := dollarTag(l.rest())
	if tag == "" {
		return 0, fmt.Errorf("$ begins neither a parameter nor a string")
	}
	n := strings.Index(l.rest()[len(tag):], tag)
	if n < 0 {
		return 0, fmt.Errorf("the string that begins with %s has no end", tag)
	}
	l.pos += n + 2*len(tag)
	return dollar, nil
}

// dollarTag is the $tag$ with which a string begins, or "".
func dollarTag(s string) string {
	for i := 1; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '$':
			return s[:i+1]
		case !startsWord(r) && (i == 1 || !unicode.IsDigit(r)):
			return ""
		}
		i += size
	}
	return ""
}

// colon is a cast, an assignment, a named parameter or a colon.
func (l *lexer) colon() (kind, error) {
	l.pos++
	switch c := l.peek(0); c {
	case ':', '=':
		l.pos++
		return op, nil
	case '\'', '"':
		return param, l.quote(c, false)
	}
	if r, _ := utf8.DecodeRuneInString(l.rest()); startsWord(r) {
		l.name()
		return param, nil
	}
	return punct, nil
}

func (l *lexer) number() {
	digits := func() {
		for isDigit(l.peek(0)) || l.peek(0) == '_' {
			l.pos++
		}
	}
	digits()
	if l.peek(0) == '.' && l.peek(1) != '.' {
		l.pos++
		digits()
	}
	if c := l.peek(0); c == 'e' || c == 'E' {
		n := 1
		if s := l.peek(1); s == '+' || s == '-' {
			n++
		}
		if isDigit(l.peek(n)) {
			l.pos += n
			digits()
		}
	}
}

const operators = "+-*/<>=~!@#%^&|`?"

// operator moves over the longest operator, by the rules of PostgreSQL's manual (4.1.3).
func (l *lexer) operator() {
	n := 0
	for strings.IndexByte(operators, l.peek(n)) >= 0 && l.peek(n) != 0 {
		two := l.src[l.pos+n:]
		if n > 0 && (strings.HasPrefix(two, "--") || strings.HasPrefix(two, "/*")) {
			break
		}
		n++
	}
	for n > 1 && (l.peek(n-1) == '+' || l.peek(n-1) == '-') &&
		!strings.ContainsAny(l.src[l.pos:l.pos+n], "~!@#%^&|`?") {
		n--
	}
	l.pos += n
}

// word is a word, or a string that begins with a letter.
func (l *lexer) word() (kind, error) {
	if l.peek(1) == '\'' && strings.IndexByte("eEbBxXnN", l.peek(0)) >= 0 {
		escapes := l.peek(0) == 'e' || l.peek(0) == 'E'
		l.pos++
		return str, l.quote('\'', escapes)
	}
	if c := l.peek(2); (l.peek(0) == 'u' || l.peek(0) == 'U') && l.peek(1) == '&' && (c == '\'' || c == '"') {
		l.pos += 2
		if c == '"' {
			return quoted, l.quote(c, false)
		}
		return str, l.quote(c, false)
	}
	l.name()
	return word, nil
}

func (l *lexer) name() {
	for l.pos < len(l.src) {
		r, size := utf8.DecodeRuneInString(l.rest())
		if !startsWord(r) && !unicode.IsDigit(r) && r != '$' {
			return
		}
		l.pos += size
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func startsWord(r rune) bool {
	if r < 0x80 {
		return r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	return r != utf8.RuneError && !unicode.IsSpace(r) && !unicode.IsDigit(r)
}
