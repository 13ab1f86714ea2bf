package sqlfmt

// statements prints statements one below the other, with at most one empty line where the author had some.
func (p *printer) statements(ss []*statement, indent int) {
	for i, s := range ss {
		p.begin(s.first(), indent, i > 0)
		p.statement(s, indent)
		p.newline(indent)
	}
}

// begin starts a line with what stands above a statement.
func (p *printer) begin(t *token, indent int, blanks bool) {
	p.newline(indent)
	p.above(t.lead, t.blank, blanks)
	p.bare = true
}

// above prints comments that stand on lines of their own, with the empty lines round them. after: one follows them.
func (p *printer) above(rs []remark, after, blanks bool) {
	from := 0
	for i, r := range rs {
		if r.blank {
			p.comments(rs[from:i])
			p.empty(blanks || i > 0)
			from = i
		}
	}
	p.comments(rs[from:])
	if after {
		p.empty(blanks || len(rs) > 0)
	}
}

func (p *printer) empty(allowed bool) {
	if n := len(p.lines); allowed && n > 0 && (p.lines[n-1].text != "" || p.lines[n-1].glued) {
		p.raw("")
	}
}

func (p *printer) statement(s *statement, indent int) {
	start := len(p.lines)
	switch {
	case p.guard(s, indent):
	case len(s.parts) == 1:
		p.layout(s.parts[0].head, indent, 0)
	default:
		p.compound(s, indent)
		return
	}
	p.newline(indent)
	p.lift(start)
}

// lift moves the comment behind the last line of a simple statement above the statement where it does not fit.
func (p *printer) lift(start int) {
	last := len(p.lines) - 1
	l := p.lines[last]
	if l.trail == "" || tailFits(l) {
		return
	}
	for _, other := range p.lines[start:last] {
		if other.trail != "" || other.remarks {
			return
		}
	}
	for start < last && p.lines[start].glued {
		start++
	}
	if p.lines[start].glued {
		return
	}
	p.lines[last].trail = ""
	var above []line
	for _, text := range wrapAll([]remark{{text: l.trail}}, indentation(p.lines[start].text)) {
		above = append(above, line{text: text, remarks: true})
	}
	p.lines = append(p.lines[:start], append(above, p.lines[start:]...)...)
}

// compound prints a statement that contains others.
func (p *printer) compound(s *statement, indent int) {
	for i, part := range s.parts {
		at := indent + part.indent
		if i > 0 && p.sameLine(s, i) {
			at = indent
		} else if i > 0 {
			p.beginPart(part, at)
		}
		if part.code != nil {
			p.function(s, indent)
			return
		}
		p.layout(part.head, at, 0)
		if oneLine(part) && p.beside(part, at) || i+1 < len(s.parts) && p.sameLine(s, i+1) {
			continue
		}
		p.newline(at + 2)
		p.statements(part.body, at+2)
	}
}

// sameLine: the only handler of a block may stand behind exception.
func (p *printer) sameLine(s *statement, i int) bool {
	before, t := s.parts[i-1].head, s.parts[i].head.first()
	if before.word() != "exception" || t.word() != "when" || t.brk || i != len(s.parts)-2 || before.tok.trail != "" {
		return false
	}
	return p.flat(s.parts[i].head, 0)
}

// beginPart starts the line of a part. Comments before the end of a block belong into the block.
func (p *printer) beginPart(part part, at int) {
	t := part.head.first()
	if t.word() == "end" {
		p.newline(at + 2)
		p.above(t.lead, false, true)
		p.newline(at)
		p.bare = true
		return
	}
	p.begin(t, at, false)
}

// oneLine: the author has the one statement of the part on the part's line: declare x int; and when x then null;
func oneLine(part part) bool {
	if len(part.body) != 1 || !part.body[0].inline {
		return false
	}
	switch part.head.first().word() {
	case "declare", "when", "exception":
	default:
		return false
	}
	n := part.body[0].parts[0].head
	return !n.first().brk && !n.broken() && !n.hard() && part.head.last().trail == ""
}

// beside prints the one statement of a part on the part's line, if it fits there.
func (p *printer) beside(part part, at int) bool {
	n := part.body[0].parts[0].head
	if !p.flat(n, 0) {
		return false
	}
	p.write(n, at, false)
	return true
}

// guard prints "if x then y; end if;" on one line, if the author has it there and it fits.
func (p *printer) guard(s *statement, indent int) bool {
	if len(s.parts) != 2 || len(s.parts[0].body) != 1 || !s.parts[0].body[0].inline || s.parts[0].code != nil {
		return false
	}
	first, last := s.first(), s.last()
	switch first.word() {
	case "if", "for", "foreach", "while", "loop":
	default:
		return false
	}
	if last.brks > first.brks || last.hards > first.hards || multiline(last) ||
		indent+last.at+width(last.text)-first.at > columns {
		return false
	}
	p.write(s.parts[0].head, indent, false)
	p.write(s.parts[0].body[0].parts[0].head, indent, false)
	p.write(s.parts[1].head, indent, false)
	return true
}

// function prints a header, the body that it opens, and what closes it.
func (p *printer) function(s *statement, indent int) {
	head, tail := s.parts[0], s.parts[1].head
	p.layout(head.head, indent, 0)
	if p.oneLiner(head.code, tail, indent) {
		return
	}
	p.newline(indent)
	inside := indent + 2
	if head.code.plpgsql {
		inside = indent
	}
	p.statements(head.code.statements, inside)
	p.newline(inside)
	p.above(head.code.end.lead, false, true)
	if p.endsOpen(head.code) {
		// the last end of a block has no semicolon: $$ stands on its line
		l := p.lines[len(p.lines)-1]
		p.lines = p.lines[:len(p.lines)-1]
		p.cur.WriteString(l.text)
		p.indent = indent
	} else {
		p.newline(indent)
	}
	p.bare = true
	p.layout(tail, indent, 0)
}

func (p *printer) endsOpen(c *code) bool {
	if !c.plpgsql || len(c.statements) == 0 || len(c.end.lead) > 0 {
		return false
	}
	last := c.statements[len(c.statements)-1].last()
	return !last.is(";") && last.trail == ""
}

// oneLiner prints the body of an SQL function behind its header, if the author has it there and it fits.
func (p *printer) oneLiner(c *code, tail *node, indent int) bool {
	if c.plpgsql || !c.oneLine || len(c.statements) != 1 || len(c.end.lead) > 0 {
		return false
	}
	n := c.statements[0].parts[0].head
	if n.hard() || len(n.first().lead) > 0 || n.last().trail != "" || tail.hard() ||
		p.col()+1+n.width()+1+tail.width() > columns {
		return false
	}
	p.cur.WriteByte(' ')
	n.first().space = false
	p.prev = nil
	p.write(n, indent, false)
	p.bare = true
	p.prev = nil
	p.write(tail, indent, false)
	return true
}
