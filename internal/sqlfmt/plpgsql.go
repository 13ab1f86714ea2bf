package sqlfmt

import "fmt"

// plpgsqlBody parses the body of a function: a block, without or with its last semicolon.
func plpgsqlBody(tokens []*token) ([]*statement, error) {
	p := &blockParser{tokens: tokens}
	var out []*statement
	for p.peek().kind != eof {
		s, err := p.statement()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

type blockParser struct {
	tokens []*token
	pos    int
	depth  int
}

func (p *blockParser) peek() *token { return p.tokens[p.pos] }

// statement parses one statement, with its semicolon.
func (p *blockParser) statement() (*statement, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > deepest {
		return nil, fmt.Errorf("blocks are nested more than %d deep", deepest)
	}
	switch p.peek().word() {
	case "declare", "begin":
		return p.block()
	case "if":
		return p.conditional()
	case "case":
		return p.choice()
	case "for", "foreach", "while", "loop":
		return p.loop()
	}
	if p.peek().is("<<") {
		return p.labelled()
	}
	return p.simple(statementNode)
}

// labelled: <<name>> stands on the line above its block or loop.
func (p *blockParser) labelled() (*statement, error) {
	from := p.pos
	for p.peek().kind != eof && !p.peek().is(">>") {
		p.pos++
	}
	if p.peek().kind == eof {
		return nil, fmt.Errorf("a label is not closed")
	}
	p.pos++
	nodes, err := atoms(p.tokens[from:p.pos:p.pos])
	if err != nil {
		return nil, err
	}
	return &statement{parts: []part{{head: rowOf(nodes)}}}, nil
}

// through moves behind the next token for which stop holds, outside brackets and case ... end, and groups what it
// passed.
func (p *blockParser) through(stop func(*token) bool) ([]*node, error) {
	from, depth, cases := p.pos, 0, 0
	for ; ; p.pos++ {
		t := p.peek()
		if t.kind == eof {
			return nil, fmt.Errorf("%q has no end", p.tokens[from].text)
		}
		if depth == 0 && cases == 0 && stop(t) {
			p.pos++
			return atoms(p.tokens[from:p.pos:p.pos])
		}
		switch {
		case t.is("("), t.is("["):
			depth++
		case t.is(")"), t.is("]"):
			depth--
		case t.word() == "case" && p.pos > from && depth == 0:
			cases++
		case t.word() == "end" && cases > 0 && depth == 0:
			cases--
		case t.is(";") && depth == 0:
			return nil, fmt.Errorf("%q has no end", p.tokens[from].text)
		}
	}
}

func (p *blockParser) simple(parse func([]*node) *node) (*statement, error) {
	nodes, err := p.through(func(t *token) bool { return t.is(";") })
	if err != nil {
		// the end of a function's block needs no semicolon
		return nil, err
	}
	body, end := terminated(nodes)
	if len(body) == 0 {
		return simple(end[0]), nil
	}
	return simple(rowOf(append([]*node{parse(body)}, end...))), nil
}

// statements up to one of the words.
func (p *blockParser) statements(until ...string) ([]*statement, error) {
	var out []*statement
	for {
		t := p.peek()
		if t.kind == eof {
			return nil, fmt.Errorf("no %q follows", until[0])
		}
		for _, w := range until {
			if t.word() == w {
				return out, nil
			}
		}
		s, err := p.statement()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
}

// word takes the next token as the head of a part.
func (p *blockParser) word(indent int) part {
	p.pos++
	return part{head: &node{tok: p.tokens[p.pos-1]}, indent: indent}
}

// end takes what ends a compound statement: end if; or end, end name.
func (p *blockParser) end() (part, error) {
	from := p.pos
	for p.peek().kind == word {
		p.pos++
	}
	if p.peek().is(";") {
		p.pos++
	} else if p.peek().kind != eof {
		return part{}, fmt.Errorf("%q follows end", p.peek().text)
	}
	n := &node{shape: row}
	for _, t := range p.tokens[from:p.pos] {
		n.kids = append(n.kids, &node{tok: t})
	}
	return part{head: rowOrSelf(n)}, nil
}

func (p *blockParser) block() (*statement, error) {
	s := &statement{}
	if p.peek().word() == "declare" {
		d := p.word(0)
		for p.peek().word() != "begin" {
			decl, err := p.simple(declaration)
			if err != nil {
				return nil, err
			}
			d.body = append(d.body, decl)
		}
		s.parts = append(s.parts, d)
	}
	b := p.word(0)
	var err error
	if b.body, err = p.statements("end", "exception"); err != nil {
		return nil, err
	}
	s.parts = append(s.parts, b)
	if p.peek().word() == "exception" {
		s.parts = append(s.parts, p.word(0))
		if err := p.branches(s, "end"); err != nil {
			return nil, err
		}
	}
	return p.finish(s)
}

// branches are "when ... then" with their statements.
func (p *blockParser) branches(s *statement, until ...string) error {
	for p.peek().word() == "when" {
		h, err := p.header("then", 2)
		if err != nil {
			return err
		}
		if h.body, err = p.statements(append(until, "when")...); err != nil {
			return err
		}
		s.parts = append(s.parts, h)
	}
	return nil
}

func (p *blockParser) finish(s *statement) (*statement, error) {
	e, err := p.end()
	if err != nil {
		return nil, err
	}
	s.parts = append(s.parts, e)
	return s, nil
}

// header is a keyword, an expression and the word that ends them: if ... then, for ... loop.
func (p *blockParser) header(last string, indent int) (part, error) {
	nodes, err := p.through(func(t *token) bool { return t.word() == last })
	if err != nil {
		return part{}, err
	}
	n := len(nodes) - 1
	if n < 1 {
		return part{head: rowOf(nodes), indent: indent}, nil
	}
	return part{head: &node{shape: heading, kids: []*node{condition(nodes[:n]), nodes[n]}}, indent: indent}, nil
}

// condition is what stands between if and then, or for and loop.
func condition(nodes []*node) *node {
	kw := 1
	if w := nodes[0].word(); w == "for" || w == "foreach" {
		for kw < len(nodes)-1 && nodes[kw-1].word() != "in" && nodes[kw-1].word() != "array" {
			kw++
		}
	}
	if kw == len(nodes) {
		return rowOf(nodes)
	}
	head := &node{shape: clause, kids: []*node{rowOf(nodes[:kw:kw])}}
	if rest := nodes[kw:]; queryStart(rest[0]) {
		head.below = true
		head.kids = append(head.kids, parseQuery(rest))
	} else {
		head.kids = append(head.kids, expression(rest))
	}
	return head
}

func (p *blockParser) conditional() (*statement, error) {
	s := &statement{}
	for w := "if"; w == "if" && len(s.parts) == 0 || w == "elsif" || w == "elseif"; w = p.peek().word() {
		h, err := p.header("then", 0)
		if err != nil {
			return nil, err
		}
		if h.body, err = p.statements("elsif", "elseif", "else", "end"); err != nil {
			return nil, err
		}
		s.parts = append(s.parts, h)
	}
	return p.otherwise(s, 0)
}

// otherwise is else with its statements, which may be missing, and the end.
func (p *blockParser) otherwise(s *statement, indent int) (*statement, error) {
	if p.peek().word() == "else" {
		e := p.word(indent)
		var err error
		if e.body, err = p.statements("end"); err != nil {
			return nil, err
		}
		s.parts = append(s.parts, e)
	}
	return p.finish(s)
}

func (p *blockParser) choice() (*statement, error) {
	from := p.pos
	for p.pos++; p.peek().kind != eof && p.peek().word() != "when"; p.pos++ {
	}
	kw := []*node{{tok: p.tokens[from]}}
	nodes, err := atoms(p.tokens[from+1 : p.pos : p.pos])
	if err != nil {
		return nil, err
	}
	s := &statement{parts: []part{{head: &node{shape: clause, kids: operand(kw, nodes)}}}}
	if err := p.branches(s, "else", "end"); err != nil {
		return nil, err
	}
	return p.otherwise(s, 2)
}

func (p *blockParser) loop() (*statement, error) {
	h, err := p.header("loop", 0)
	if err != nil {
		return nil, err
	}
	s := &statement{}
	if h.body, err = p.statements("end"); err != nil {
		return nil, err
	}
	s.parts = append(s.parts, h)
	return p.finish(s)
}

// declaration: a name and a type, and what it begins as.
func declaration(nodes []*node) *node {
	for i, n := range nodes {
		assigns := n.is(":=") || n.is("=") || n.word() == "default" || n.word() == "for" || n.word() == "is"
		if assigns && i > 0 && i < len(nodes)-1 {
			head := &node{shape: clause, kids: []*node{rowOf(nodes[: i+1 : i+1]), nil}}
			if queryStart(nodes[i+1]) {
				head.below = true
				head.kids[1] = parseQuery(nodes[i+1:])
			} else {
				head.kids[1] = expression(nodes[i+1:])
			}
			return head
		}
	}
	return rowOf(nodes)
}

// statementNode is a simple statement of plpgsql without its semicolon.
func statementNode(nodes []*node) *node {
	switch nodes[0].word() {
	case "return":
		n := 1
		if len(nodes) > 1 && (nodes[1].word() == "query" || nodes[1].word() == "next") {
			n = 2
		}
		switch {
		case n == len(nodes):
			return rowOf(nodes)
		case queryStart(nodes[n]):
			return rowOf(append(nodes[:n:n], parseQuery(nodes[n:])))
		case nodes[n].word() == "execute":
			return phrases(nodes, "into", "using")
		}
		return &node{shape: clause, kids: []*node{rowOf(nodes[:n:n]), expression(nodes[n:])}}
	case "raise":
		return phrases(nodes, "using")
	case "execute":
		return phrases(nodes, "into", "using")
	case "open":
		return phrases(nodes, "for", "using")
	case "exit", "continue":
		return phrases(nodes, "when")
	}
	if nodes[0].word() == "" || !keywords[nodes[0].word()] {
		for i := 1; i < len(nodes)-1; i++ {
			if nodes[i].is(":=") || nodes[i].is("=") {
				return &node{shape: clause, kids: []*node{rowOf(nodes[: i+1 : i+1]), expression(nodes[i+1:])}}
			}
		}
	}
	return command(nodes)
}

// phrases cuts a statement before some words, each with a list.
func phrases(nodes []*node, starts ...string) *node {
	parts := split(nodes, func(i int) bool {
		for _, w := range starts {
			if nodes[i].word() == w {
				return true
			}
		}
		return false
	})
	n := &node{shape: ddl}
	for i, p := range parts {
		kw := 1
		if i == 0 && p[0].word() == "raise" && len(p) > 1 && p[1].shape == leaf && p[1].tok.kind == word {
			kw = 2 // the level, or the name of a condition
		}
		c := &node{shape: clause, kids: operand([]*node{rowOf(p[:kw:kw])}, p[kw:])}
		if body := c.kids[len(c.kids)-1]; kw == 2 && body.shape == list {
			body.head = true
		}
		n.kids = append(n.kids, c)
	}
	return n
}
