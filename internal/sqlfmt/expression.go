package sqlfmt

import (
	"fmt"
	"slices"
	"strings"
)

// atoms groups tokens: brackets and case ... end become nodes, everything else a leaf.
func atoms(tokens []*token) ([]*node, error) {
	a := &grouper{tokens: tokens}
	nodes, err := a.until(func(*token) bool { return false })
	if err != nil {
		return nil, err
	}
	if a.pos < len(tokens) {
		return nil, fmt.Errorf("%q closes nothing", tokens[a.pos].text)
	}
	return nodes, nil
}

type grouper struct {
	tokens []*token
	pos    int
	depth  int
}

// deepest nesting of brackets that is laid out; PostgreSQL has a limit as well.
const deepest = 500

func (a *grouper) until(stop func(*token) bool) ([]*node, error) {
	a.depth++
	defer func() { a.depth-- }()
	if a.depth > deepest {
		return nil, fmt.Errorf("brackets are nested more than %d deep", deepest)
	}
	var out []*node
	for a.pos < len(a.tokens) {
		t := a.tokens[a.pos]
		if stop(t) || t.is(")") || t.is("]") {
			return out, nil
		}
		var n *node
		var err error
		switch {
		case t.is("("), t.is("["):
			n, err = a.bracket(out)
		case t.word() == "case":
			n, err = a.caseOf()
		default:
			a.pos++
			n = &node{tok: t}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func (a *grouper) bracket(before []*node) (*node, error) {
	open := a.tokens[a.pos]
	a.pos++
	inner, err := a.until(func(*token) bool { return false })
	if err != nil {
		return nil, err
	}
	closing := map[string]string{"(": ")", "[": "]"}[open.text]
	if a.pos == len(a.tokens) || !a.tokens[a.pos].is(closing) {
		return nil, fmt.Errorf("a %q is not closed", open.text)
	}
	end := a.tokens[a.pos]
	a.pos++
	n := &node{shape: parens, kids: []*node{{tok: open}}}
	if len(inner) > 0 {
		n.kids = append(n.kids, contents(inner, before))
	}
	n.kids = append(n.kids, &node{tok: end})
	return n, nil
}

// contents of a bracket; before is what stands before the bracket.
func contents(inner, before []*node) *node {
	name := ""
	if len(before) > 0 && before[len(before)-1].shape == leaf {
		name = strings.ToLower(before[len(before)-1].tok.text)
	}
	switch {
	case queryStart(inner[0]):
		return parseQuery(inner)
	case strings.HasSuffix(name, "_build_object"):
		if n := pairs(inner); n != nil {
			return n
		}
	case name == "table":
		return definitions(inner)
	case name == "format":
		n := expression(inner)
		n.head = n.shape == list
		return n
	}
	for i := len(before) - 1; i >= 0; i-- {
		w := before[i].word()
		if w == "table" && (i == 0 || before[i-1].word() == "create" || i > 1 && before[i-2].word() == "create") {
			return definitions(inner)
		}
		if (w == "function" || w == "procedure") && i > 0 &&
			(before[i-1].word() == "create" || before[i-1].word() == "replace") {
			n := expression(inner)
			n.each = n.shape == list
			return n
		}
		if before[i].shape != leaf || w != "" && keywords[w] && w != "if" && w != "not" && w != "exists" {
			break
		}
	}
	return expression(inner)
}

// word of a leaf that can be a keyword.
func (n *node) word() string {
	if n.shape != leaf {
		return ""
	}
	return n.tok.word()
}

func (n *node) is(text string) bool { return n.shape == leaf && n.tok.is(text) }

// caseOf groups case ... when ... then ... else ... end.
func (a *grouper) caseOf() (*node, error) {
	n := &node{shape: cases}
	part := []*node{{tok: a.tokens[a.pos]}}
	a.pos++
	then := -1
	flush := func() {
		switch {
		case then > 0:
			n.kids = append(n.kids, glue(
				&node{shape: clause, kids: operand(part[:1], part[1:then])},
				&node{shape: clause, kids: operand(part[then:then+1], part[then+1:])}))
		default:
			n.kids = append(n.kids, &node{shape: clause, kids: operand(part[:1], part[1:])})
		}
		part, then = nil, -1
	}
	for {
		more, err := a.until(func(t *token) bool {
			switch t.word() {
			case "when", "then", "else", "end":
				return true
			}
			return false
		})
		if err != nil {
			return nil, err
		}
		part = append(part, more...)
		if a.pos == len(a.tokens) || a.tokens[a.pos].kind != word {
			return nil, fmt.Errorf("a case has no end")
		}
		t := a.tokens[a.pos]
		a.pos++
		switch t.word() {
		case "then":
			then = len(part)
			if then < 1 || part[0].word() != "when" {
				return nil, fmt.Errorf("then without when")
			}
		case "end":
			flush()
			n.kids = append(n.kids, &node{tok: t})
			return n, nil
		default:
			flush()
		}
		part = append(part, &node{tok: t})
	}
}

// operand is a keyword with its expression, which may be missing.
func operand(kw, rest []*node) []*node {
	if len(rest) == 0 {
		return kw
	}
	return append(kw[:1:1], expression(rest))
}

func glue(kids ...*node) *node { return &node{shape: soft, kids: kids} }

func rowOf(nodes []*node) *node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	return &node{shape: row, kids: nodes}
}

// split cuts before each place that the function names.
func split(nodes []*node, cut func(i int) bool) [][]*node {
	var out [][]*node
	from := 0
	for i := 1; i < len(nodes); i++ {
		if cut(i) {
			out = append(out, nodes[from:i:i])
			from = i
		}
	}
	return append(out, nodes[from:])
}

// items cuts after each comma.
func items(nodes []*node) [][]*node {
	return split(nodes, func(i int) bool { return nodes[i-1].is(",") })
}

// listOf is a list of items, or the one item.
func listOf(nodes []*node, item func([]*node) *node) *node {
	parts := items(nodes)
	if len(parts) == 1 {
		return item(parts[0])
	}
	n := &node{shape: list}
	for _, p := range parts {
		n.kids = append(n.kids, withComma(p, item))
	}
	return n
}

func withComma(p []*node, item func([]*node) *node) *node {
	if last := len(p) - 1; last > 0 && p[last].is(",") {
		return &node{shape: row, kids: []*node{item(p[:last]), p[last]}}
	}
	return item(p)
}

// pairs lays key and value of json_build_object out as one item. It is nil where the number of arguments is odd.
func pairs(nodes []*node) *node {
	parts := items(nodes)
	if len(parts)%2 != 0 {
		return nil
	}
	n := &node{shape: list}
	for i := 0; i < len(parts); i += 2 {
		pair := []*node{withComma(parts[i], expression), withComma(parts[i+1], expression)}
		n.kids = append(n.kids, &node{shape: clause, kids: pair})
	}
	if len(n.kids) == 1 {
		return n.kids[0]
	}
	return n
}

// definitions are the columns and constraints of a table.
func definitions(nodes []*node) *node {
	n := listOf(nodes, definition)
	n.each = n.shape == list
	return n
}

func definition(nodes []*node) *node {
	parts := split(nodes, func(i int) bool {
		switch nodes[i].word() {
		case "default", "references", "check", "generated", "unique", "constraint", "foreign", "exclude":
			return nodes[i-1].word() != "by" && nodes[i-1].word() != "set"
		case "primary":
			return true
		case "not":
			return i+1 < len(nodes) && nodes[i+1].word() == "null"
		}
		return false
	})
	n := &node{shape: soft}
	for _, p := range parts {
		n.kids = append(n.kids, rowOf(p))
	}
	return rowOrSelf(n)
}

func rowOrSelf(n *node) *node {
	if len(n.kids) == 1 {
		return n.kids[0]
	}
	return n
}

// expression is what stands between brackets or after a keyword: a list, or operators by how loosely they bind.
func expression(nodes []*node) *node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	if parts := split(nodes, func(i int) bool { return byClause(nodes, i) }); len(parts) > 1 || byClause(nodes, 0) {
		n := &node{shape: soft}
		for i, p := range parts {
			if i == 0 && !byClause(nodes, 0) {
				n.kids = append(n.kids, expression(p))
				continue
			}
			kw := min(2, len(p))
			if p[0].word() == "where" {
				kw = 1
			}
			n.kids = append(n.kids, &node{shape: clause, kids: operand([]*node{rowOf(p[:kw])}, p[kw:])})
		}
		return rowOrSelf(n)
	}
	if len(items(nodes)) > 1 {
		return listOf(nodes, expression)
	}
	return operation(nodes)
}

// byClause: order by and partition by in the arguments of an aggregate or in a window, where in a filter.
func byClause(nodes []*node, i int) bool {
	switch nodes[i].word() {
	case "order", "partition":
		return i+1 < len(nodes) && nodes[i+1].word() == "by"
	case "where":
		return i == 0
	}
	return false
}

func operation(nodes []*node) *node {
	for i, n := range nodes {
		if (n.is("=>") || n.is(":=")) && i > 0 && i < len(nodes)-1 {
			return &node{shape: clause, kids: []*node{rowOf(nodes[:i+1]), operation(nodes[i+1:])}}
		}
	}
	if n := joined(nodes, "or"); n != nil {
		return n
	}
	if n := joined(nodes, "and"); n != nil {
		return n
	}
	for i := 1; i < len(nodes)-1; i++ {
		if compares(nodes[i]) {
			rest := nodes[i+1:]
			return glue(operation(nodes[:i]), &node{shape: row, kids: []*node{nodes[i], operation(rest)}})
		}
	}
	for i, n := range nodes {
		if n.word() == "between" && i > 0 {
			return rangeOf(nodes, i)
		}
	}
	return concatenation(nodes)
}

// rangeOf is x between a and b.
func rangeOf(nodes []*node, between int) *node {
	for i := between + 2; i < len(nodes)-1; i++ {
		if nodes[i].word() == "and" {
			low := slices.Concat(nodes[:between+1], []*node{operation(nodes[between+1 : i : i])})
			return glue(rowOf(low), prefixed(nodes[i:], operation))
		}
	}
	return rowOf(nodes)
}

// joined is a chain of operands that a word joins, each on a line of its own when they do not fit on one; nil if
// there is none.
func joined(nodes []*node, w string) *node {
	between := 0
	parts := split(nodes, func(i int) bool {
		switch nodes[i].word() {
		case "between":
			between++
		case "and":
			if between > 0 {
				between--
				return false
			}
		}
		return nodes[i].word() == w
	})
	if len(parts) == 1 {
		return nil
	}
	n := &node{shape: chain, each: true}
	for i, p := range parts {
		if i == 0 {
			n.kids = append(n.kids, operation(p))
			continue
		}
		n.kids = append(n.kids, prefixed(p, operation))
	}
	return n
}

// prefixed is an operator with what follows.
func prefixed(p []*node, operand func([]*node) *node) *node {
	if len(p) == 1 {
		return p[0]
	}
	before(p[0], p[1])
	return &node{shape: row, kids: []*node{p[0], operand(p[1:])}}
}

// before moves a line end behind an operator before it.
func before(operator, next *node) {
	t := next.first()
	if operator.shape == leaf && t.brk && len(t.lead) == 0 && operator.tok.trail == "" {
		operator.tok.brk, t.brk = true, false
	}
}

func compares(n *node) bool {
	if n.shape != leaf || n.tok.kind != op || tight(n.tok) {
		return false
	}
	switch n.tok.text {
	case "+", "-", "*", "/", "%", "^", "||", "@", "#", "|", "&", "=>", ":=":
		return false
	}
	return true
}

// concatenation is a chain of what || or + and - join.
func concatenation(nodes []*node) *node {
	parts := split(nodes, func(i int) bool {
		n := nodes[i]
		if i == len(nodes)-1 {
			return false
		}
		if n.is("||") {
			return true
		}
		return (n.is("+") || n.is("-")) && (nodes[i-1].shape != leaf || ends(nodes[i-1].tok))
	})
	if len(parts) == 1 {
		return rowOf(nodes)
	}
	n := &node{shape: chain}
	for i, p := range parts {
		if i == 0 {
			n.kids = append(n.kids, rowOf(p))
			continue
		}
		n.kids = append(n.kids, prefixed(p, rowOf))
	}
	return n
}
