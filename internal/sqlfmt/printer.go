package sqlfmt

import "strings"

// columns is the widest that a line may be.
const columns = 120

// A line of output. Its trailing comment is kept apart until its place is known.
type line struct {
	text    string
	trail   string
	glued   bool // it begins within a string of several lines: nothing can be put above it
	remarks bool // a comment, or an empty line
}

type printer struct {
	lines  []line
	cur    strings.Builder
	trail  string
	glued  bool
	indent int // of the current line
	prev   *token
	bare   bool // the comments before the next token are printed already
}

// newline ends the current line, if there is anything on it.
func (p *printer) newline(indent int) {
	if p.cur.Len() > 0 {
		p.lines = append(p.lines, line{text: p.cur.String(), trail: p.trail, glued: p.glued})
		p.cur.Reset()
		p.trail, p.glued = "", false
	}
	p.indent, p.prev = indent, nil
}

func (p *printer) col() int {
	if p.cur.Len() == 0 {
		return p.indent
	}
	return width(p.cur.String())
}

func (p *printer) raw(text string) { p.lines = append(p.lines, line{text: text, remarks: true}) }

// comments prints those before a token, each on lines of its own.
func (p *printer) comments(rs []remark) {
	for _, l := range wrapAll(rs, p.indent) {
		p.raw(l)
	}
}

// token prints one token. base is the indentation where a comment before it forces a new line.
func (p *printer) token(t *token, base int) {
	own := t.ownRemarks() && !p.bare
	if p.prev != nil && forced(p.prev, t) || own && p.cur.Len() > 0 {
		p.newline(base)
	}
	if own {
		p.comments(t.lead)
	}
	if p.cur.Len() == 0 {
		p.cur.WriteString(strings.Repeat(" ", p.indent))
	} else if t.space {
		p.cur.WriteByte(' ')
	}
	if !own && !p.bare {
		for _, r := range t.lead {
			p.text(r.text)
			p.cur.WriteByte(' ')
		}
	}
	p.bare = false
	text := t.text
	if t.kind == word && keywords[t.word()] {
		text = strings.ToLower(text)
	}
	p.text(text)
	p.prev, p.trail = t, t.trail
}

// text may have line ends.
func (p *printer) text(s string) {
	for {
		first, rest, more := strings.Cut(s, "\n")
		p.cur.WriteString(first)
		if !more {
			return
		}
		p.lines = append(p.lines, line{text: p.cur.String(), glued: p.glued})
		p.cur.Reset()
		p.glued = true
		s = rest
		if rest == "" || rest[0] == '\n' {
			// an empty line within a string is one
			continue
		}
	}
}

type mark struct {
	lines       int
	cur, trail  string
	glued, bare bool
	indent      int
	prev        *token
}

func (p *printer) mark() mark {
	return mark{len(p.lines), p.cur.String(), p.trail, p.glued, p.bare, p.indent, p.prev}
}

func (p *printer) back(m mark) {
	p.lines = p.lines[:m.lines]
	p.cur.Reset()
	p.cur.WriteString(m.cur)
	p.trail, p.glued, p.bare, p.indent, p.prev = m.trail, m.glued, m.bare, m.indent, m.prev
}

// fits says whether everything since the mark does, when tail columns more follow on the current line.
func (p *printer) fits(m mark, tail int) bool {
	for _, l := range p.lines[m.lines:] {
		if !l.remarks && width(l.text) > columns {
			return false
		}
	}
	return p.col()+tail <= columns
}
