package sqlfmt

import (
	"fmt"
)

// A statement is laid out on lines of its own. A simple one has one part without a body.
type statement struct {
	parts  []part
	inline bool // it may share a line with what encloses it: one simple statement
}

// A part is a line such as "if x then" with the statements that belong to it.
type part struct {
	head   *node
	body   []*statement
	indent int   // of the head, beyond the statement's
	code   *code // the body of a function, which the head opens
}

// code is the text of a function, as statements.
type code struct {
	plpgsql    bool
	statements []*statement
	end        *token // eof, with the comments before it
	oneLine    bool   // the author has it on the line of the statement
}

func (s *statement) first() *token { return s.parts[0].head.first() }

func (s *statement) last() *token {
	return s.parts[len(s.parts)-1].head.last() // the end of a block has no body
}

// script parses the statements of a file or of an SQL function. The last token is eof.
func script(tokens []*token) ([]*statement, error) {
	var out []*statement
	from, depth := 0, 0
	cut := func(to int) error {
		if to == from {
			return nil
		}
		s, err := sqlStatement(tokens[from:to:to])
		if err != nil {
			return err
		}
		out = append(out, s)
		from = to
		return nil
	}
	for i, t := range tokens {
		var err error
		switch {
		case t.is("("), t.is("["):
			depth++
		case t.is(")"), t.is("]"):
			depth--
		case t.is(";") && depth <= 0, t.kind == meta:
			err = cut(i + 1)
		case t.kind == eof:
			err = cut(i)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func simple(n *node) *statement { return &statement{parts: []part{{head: n}}, inline: true} }

// terminated takes the semicolon off, if there is one.
func terminated(nodes []*node) (body, end []*node) {
	last := len(nodes) - 1
	if nodes[last].is(";") || nodes[last].tok != nil && nodes[last].tok.kind == meta {
		return nodes[:last], nodes[last:]
	}
	return nodes, nil
}

func sqlStatement(tokens []*token) (*statement, error) {
	for i, t := range tokens {
		if t.kind == opener {
			return functionStatement(tokens, i)
		}
	}
	nodes, err := atoms(tokens)
	if err != nil {
		return nil, err
	}
	body, end := terminated(nodes)
	if len(body) == 0 {
		return simple(end[0]), nil
	}
	return simple(rowOf(append([]*node{command(body)}, end...))), nil
}

// command is a statement of SQL without its semicolon.
func command(nodes []*node) *node {
	if queryStart(nodes[0]) {
		return parseQuery(nodes)
	}
	for i := 2; i < len(nodes)-1; i++ {
		if nodes[i].word() == "as" && nodes[0].word() == "create" && queryStart(nodes[i+1]) {
			return &node{shape: clause, below: true, kids: []*node{clauses(nodes[:i+1]), parseQuery(nodes[i+1:])}}
		}
	}
	return clauses(nodes)
}

// clauses of a statement that is no query.
func clauses(nodes []*node) *node {
	if n := actions(nodes); n != nil {
		return n
	}
	parts := split(nodes, func(i int) bool { return clauseStart(nodes, i) })
	n := &node{shape: ddl}
	for _, p := range parts {
		n.kids = append(n.kids, &node{shape: clause, kids: operand(p[:1], p[1:])})
	}
	return n
}

// actions are those of alter table, each on a line if there are several; nil for any other statement.
func actions(nodes []*node) *node {
	if nodes[0].word() != "alter" || len(items(nodes)) == 1 {
		return nil
	}
	for i, n := range nodes {
		switch n.word() {
		case "add", "drop", "alter", "enable", "disable", "force", "validate", "set":
			if i > 1 {
				body := listOf(nodes[i:], definition)
				body.each = true
				return &node{shape: clause, below: true, kids: []*node{rowOf(nodes[:i:i]), body}}
			}
		}
	}
	return nil
}

func clauseStart(nodes []*node, i int) bool {
	switch nodes[i].word() {
	case "on", "to", "from", "for", "using", "where", "when", "execute", "before", "after", "returns", "references",
		"include", "partition":
		return true
	case "is":
		return nodes[0].word() == "comment"
	case "with":
		return i+1 < len(nodes) && (nodes[i+1].word() == "check" || nodes[i+1].shape == parens)
	case "add", "drop", "enable", "alter", "set":
		return nodes[0].word() == "alter" && nodes[i-1].is(",") || i == 3 && nodes[0].word() == "alter"
	case "grant", "revoke":
		return nodes[0].word() == "alter"
	}
	return false
}

// functionStatement is create function or do; the body opens with token at.
func functionStatement(tokens []*token, at int) (*statement, error) {
	end := at + 1
	for end < len(tokens) && tokens[end].kind != closer {
		end++
	}
	if end == len(tokens) {
		return nil, fmt.Errorf("a body is not closed")
	}
	head, err := atoms(tokens[: at+1 : at+1])
	if err != nil {
		return nil, err
	}
	tail, err := atoms(tokens[end:])
	if err != nil {
		return nil, err
	}
	return &statement{parts: []part{
		{head: functionHeader(head), code: tokens[at].body},
		{head: rowOf(tail)},
	}}, nil
}

func functionHeader(nodes []*node) *node {
	attributes := false // volatile, security definer and the like go with language, or follow each other
	parts := split(nodes, func(i int) bool {
		switch w := nodes[i].word(); {
		case w == "returns", w == "language", w == "as", w == "set":
			attributes = w == "language"
			return true
		case headerWords[w] && !attributes && nodes[i-1].word() != "returns":
			attributes = true
			return true
		}
		return false
	})
	n := &node{shape: header}
	for _, p := range parts {
		n.kids = append(n.kids, rowOf(p))
	}
	return rowOrSelf(n)
}
