package sqlfmt

// Widths by which lists are judged.
const (
	wide   = 60 // an item of a list that is wider has a line of its own
	few    = 3  // items of a list that are filled however wide they are
	cast   = 20 // behind a bracket, as in (...)::text
	beside = 48 // arguments before a bracket that may stay on its line while it is broken
)

// layout prints a node: on one line or as the author broke it if that fits, else broken where the node itself can be,
// and so on inwards. tail is the width of what follows on the last line.
func (p *printer) layout(n *node, base, tail int) {
	if p.asWritten(n, base, tail) {
		return
	}
	p.breakUp(n, base, tail)
}

// asWritten keeps the author's lines, if they fit.
func (p *printer) asWritten(n *node, base, tail int) bool {
	m := p.mark()
	p.write(n, base, true)
	if p.fits(m, tail) {
		return true
	}
	p.back(m)
	return false
}

// write prints a node with the author's line breaks, or with none.
func (p *printer) write(n *node, base int, breaks bool) {
	if n.shape == leaf {
		p.token(n.tok, base)
		return
	}
	base = p.origin(n, base)
	for i, k := range n.kids {
		if breaks && n.opens(i) && k.first().brk || n.shape == heading && i > 0 && p.indent > base {
			p.newline(n.indent(i, base))
		}
		p.write(k, n.inside(i, base), breaks)
	}
}

// origin: brackets and case go by the line on which they begin.
func (p *printer) origin(n *node, base int) int {
	if n.shape == parens || n.shape == cases {
		return p.indent
	}
	return base
}

// flat says whether the node fits on what is left of the current line.
func (p *printer) flat(n *node, tail int) bool {
	if n.hard() || p.prev != nil && forced(p.prev, n.first()) {
		return false
	}
	return p.needs(n, n.width()+tail)
}

func (p *printer) needs(n *node, w int) bool {
	if p.cur.Len() > 0 && n.first().space {
		w++
	}
	return p.col()+w <= columns
}

// breakUp prints a node that does not fit on one line as a whole.
func (p *printer) breakUp(n *node, base, tail int) {
	base = p.origin(n, base)
	switch n.shape {
	case leaf:
		p.token(n.tok, base)
	case query:
		p.query(n, base, tail)
	case clause:
		p.clause(n, base, tail)
	case parens:
		p.parens(n, base, tail)
	case list, chain:
		p.items(n, base, tail)
	case cases, header:
		for i := range n.kids {
			if i > 0 {
				p.newline(n.indent(i, base))
			}
			p.kid(n, i, base, tail)
		}
	case heading:
		p.kid(n, 0, base, tail)
		if p.indent > base {
			p.newline(base)
		}
		p.kid(n, 1, base, tail)
	case soft, ddl:
		for i, begun := 0, 0; i < len(n.kids); i++ {
			open := len(p.lines) > begun && p.indent > base // the part before this one ended on a continued line
			if i > 0 && (n.shape == ddl && open || !p.stays(n, i, tail)) {
				p.newline(n.indent(i, base))
			}
			begun = len(p.lines)
			p.kid(n, i, base, tail)
		}
	default:
		for i := range n.kids {
			p.kid(n, i, base, tail)
		}
	}
}

// kid prints one part of a node: on one line if it fits there.
func (p *printer) kid(n *node, i, base, tail int) {
	p.part(n.kids[i], n.inside(i, base), n.after(i, tail))
}

func (p *printer) part(n *node, base, tail int) {
	if p.flat(n, tail) {
		p.write(n, base, false)
		return
	}
	p.layout(n, base, tail)
}

// after is the width of what has to follow kid i on its last line.
func (n *node) after(i, tail int) int {
	w := 0
	for i++; i < len(n.kids); i++ {
		if n.opens(i) {
			if n.shape == heading {
				return w + 1 + n.kids[i].width()
			}
			return w
		}
		k := n.kids[i]
		if k.first().space {
			w++
		}
		kw, whole := k.upTo()
		w += kw
		if !whole {
			return w
		}
	}
	return w + tail
}

// stays says whether kid i goes on the current line: it fits there, or would not fit on a line of its own and can be
// broken.
func (p *printer) stays(n *node, i, tail int) bool {
	k := n.kids[i]
	if k.first().ownRemarks() || p.trail != "" {
		return false
	}
	tail = n.after(i, tail)
	if p.flat(k, tail) {
		return true
	}
	isCase := n.shape == soft && k.shape == row && k.kids[0].is("=") && k.kids[1].shape == cases
	if !k.hard() && !isCase && p.indent+2+k.width()+tail <= columns {
		return false
	}
	return k.breakable() && p.needs(k, k.lead())
}

// items prints a list or a chain: each on a line, or as many on a line as fit.
func (p *printer) items(n *node, base, tail int) {
	each := n.each || n.remarked()
	begun := len(p.lines)
	for i, k := range n.kids {
		// the item before this one took several lines, the last of which begins where this one would
		several := n.shape == list && len(p.lines) > begun && p.indent >= n.indent(i, base)
		if i > 0 && (each || several || p.alone(n, i-1) || p.alone(n, i) || !p.flat(k, n.after(i, tail))) &&
			!p.opensBeside(n, i, tail) {
			p.newline(n.indent(i, base))
		}
		begun = len(p.lines)
		p.kid(n, i, base, tail)
	}
}

// opensBeside: an operand like || ( ... ) stays on the line when it would not fit on one of its own.
func (p *printer) opensBeside(n *node, i, tail int) bool {
	return n.shape == chain && !n.each && !n.remarked() && bracketed(n.kids[i]) && p.stays(n, i, tail)
}

// alone: a wide item, or one that is broken itself, has a line of its own.
func (p *printer) alone(n *node, i int) bool {
	if n.shape != list {
		return false
	}
	k := n.kids[i]
	return k.hard() || k.width() > wide && len(n.kids) > few || n.head && i == 0
}

// remarked says whether comments stand between the items.
func (n *node) remarked() bool {
	for i, k := range n.kids {
		if i > 0 && k.first().ownRemarks() || i < len(n.kids)-1 && k.last().trail != "" {
			return true
		}
	}
	return false
}

// clause prints a keyword and what belongs to it.
func (p *printer) clause(n *node, base, tail int) {
	p.kid(n, 0, base, tail)
	if len(n.kids) == 1 {
		return
	}
	body := n.kids[1]
	fitsBelow := !body.hard() && n.indent(1, base)+body.width()+tail <= columns
	if n.below || body.first().ownRemarks() || !p.needs(body, body.lead()) || !body.breakable() && fitsBelow {
		p.newline(n.indent(1, base))
	}
	p.kid(n, 1, base, tail)
}

// query prints each clause on a line of its own, but for short ones that go with the clause before them.
func (p *printer) query(n *node, base, tail int) {
	for i := range n.kids {
		if i > 0 && !p.together(n, i, base, tail) {
			p.newline(base)
		}
		p.kid(n, i, base, tail)
	}
}

// together says whether clause i stands on the line of the clause before it.
func (p *printer) together(n *node, i, base, tail int) bool {
	before, k := n.kids[i-1], n.kids[i]
	if before.word() == "select" && k.first().word() == "from" && p.trail == "" && !k.first().ownRemarks() {
		return true // exists (select from ...)
	}
	return goesWith(before, k) && p.indent == base && p.flat(k, n.after(i, tail))
}

func goesWith(before, k *node) bool {
	b, w := before.first().word(), k.first().word()
	switch w {
	case "into", "set", "having", "returning":
		return true
	case "on": // conflict
		return b == "values"
	case "limit", "offset", "for", "fetch":
		return b != "where"
	case "order":
		return b == "group"
	}
	return false
}

// parens prints a bracket: its contents between the lines of the brackets, but for a last or only argument that is a
// bracket itself.
func (p *printer) parens(n *node, base, tail int) {
	p.token(n.kids[0].tok, base)
	last := len(n.kids) - 1
	if last == 2 {
		body := n.kids[1]
		switch {
		case p.hugsLast(body):
			p.hugLast(n, base, tail)
		case p.hugsFirst(body, tail):
			p.hugFirst(n, base, tail)
		default:
			p.newline(base + 2)
			p.kid(n, 1, base, 0)
			p.newline(base)
		}
	}
	p.token(n.kids[last].tok, base)
}

// hugsLast: a bracket, a call or a case that is the only argument, or the last one behind short ones.
func (p *printer) hugsLast(body *node) bool {
	if body.shape != list {
		return bracketed(body) && !body.first().ownRemarks()
	}
	last := len(body.kids) - 1
	if body.each || body.remarked() || !bracketed(body.kids[last]) {
		return false
	}
	if k := body.kids[last]; k.first().ownRemarks() || !k.hard() && p.indent+2+k.width() <= columns {
		return false // it fits on a line of its own
	}
	before := body.kids[last-1].last().at - body.first().at + 2
	if body.kids[0].first().ownRemarks() || body.kids[last-1].last().hards > body.first().hards || before > beside {
		return false
	}
	return p.needs(body, before+1+body.kids[last].lead())
}

func (p *printer) hugLast(n *node, base, tail int) {
	body := n.kids[1]
	if body.shape != list {
		p.part(body, base+2, 1+tail)
		return
	}
	last := len(body.kids) - 1
	for i, k := range body.kids {
		if i < last {
			p.write(k, base+4, false)
			continue
		}
		p.breakUp(k, base+4, 1+tail)
	}
}

// hugsFirst: a bracket that is the first argument before short ones, as in coalesce((select ...), '[]').
func (p *printer) hugsFirst(body *node, tail int) bool {
	if body.shape == soft && bracketed(body.kids[0]) && !body.remarked() {
		rest := body.last().at + width(body.last().text) - body.kids[1].first().at
		return body.last().hards == body.kids[1].first().hards && rest+tail+4 <= beside
	}
	if body.shape != list || body.each || body.remarked() || body.kids[0].shape != row {
		return false
	}
	first := body.kids[0].kids[0]
	array := first.shape == row && first.kids[0].word() == "array" && len(first.kids) == 2
	if first.shape != parens && !array {
		return false
	}
	rest := body.last().at + width(body.last().text) - body.kids[1].first().at
	return body.last().hards == body.kids[1].first().hards && rest+tail+4 <= beside
}

func (p *printer) hugFirst(n *node, base, tail int) {
	body := n.kids[1]
	rest := body.last().at + width(body.last().text) - body.kids[0].last().at
	for i, k := range body.kids {
		if i == 0 {
			p.breakUp(k, base+4, rest+1+tail)
			continue
		}
		p.write(k, base+4, false)
	}
}

// bracketed: the node has one bracket in which it can be broken, with no more than a name before and a cast behind it.
func bracketed(n *node) bool {
	switch n.shape {
	case parens:
		return len(n.kids) == 3
	case cases:
		return true
	case row:
		at := -1
		for i, k := range n.kids {
			switch {
			case k.shape == leaf, k.shape == parens && len(k.kids) == 2:
			case at < 0 && bracketed(k):
				at = i
			default:
				return false
			}
		}
		return at >= 0 && (at == len(n.kids)-1 || n.last().at-n.kids[at].last().at <= cast)
	}
	return false
}
