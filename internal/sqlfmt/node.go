package sqlfmt

// shape says where the lines of a node may be broken and how far the new lines are indented. The indentation of a
// line never depends on which other places are broken, but for brackets and case, whose parts go by the line on which
// they begin.
type shape int

const (
	leaf    shape = iota
	row           // one after the other, on one line
	list          // items with their commas; broken between them
	chain         // operands with their operators before them; broken before each
	soft          // words and clauses; broken where the next one does not fit
	ddl           // soft, one level in: the clauses of a statement that is no query
	heading       // a condition and its then or loop, which stands below a condition of several lines
	header        // of a function: broken before each clause, one level in
	query         // the clauses of a query, each at the query's own indentation
	clause        // a keyword and what belongs to it, which can stand below it, one level in
	parens        // a bracket, its contents one level in, and the closing bracket
	cases         // case, its branches one level in, end
)

type node struct {
	shape shape
	tok   *token // of a leaf
	kids  []*node

	each  bool // list and chain: when it does not fit on a line, each item has one
	below bool // clause: what belongs to it stands below it when the whole does not fit on a line
	head  bool // list: the first item has a line of its own when the list needs several
	level bool // clause: the list that belongs to it is not indented

	begins, ends *token // found once
}

func (n *node) first() *token {
	if n.begins == nil {
		n.begins = n.tok
		if n.shape != leaf {
			n.begins = n.kids[0].first()
		}
	}
	return n.begins
}

func (n *node) last() *token {
	if n.ends == nil {
		n.ends = n.tok
		if n.shape != leaf {
			n.ends = n.kids[len(n.kids)-1].last()
		}
	}
	return n.ends
}

// width of the whole on one line.
func (n *node) width() int {
	first, last := n.first(), n.last()
	return last.at + width(last.text) - first.at
}

// hard says whether the node cannot stand on one line.
func (n *node) hard() bool { return n.last().hards > n.first().hards || multiline(n.last()) }

// broken says whether the author used more than one line for it.
func (n *node) broken() bool { return n.last().brks > n.first().brks }

// opens says whether a line may begin with kid i.
func (n *node) opens(i int) bool {
	switch n.shape {
	case leaf, row:
		return false
	}
	return i > 0
}

// indent is the indentation of a line that begins with kid i, inside is the indentation of lines that begin within it.
func (n *node) indent(i, base int) int {
	switch n.shape {
	case ddl:
		return base + 2
	case header:
		if n.kids[i].first().word() == "as" {
			return base
		}
		return base + 2
	case clause:
		if n.level {
			return base
		}
		return base + 2
	case parens:
		if i == 1 && len(n.kids) == 3 {
			return base + 2
		}
	case cases:
		if i < len(n.kids)-1 {
			return base + 2
		}
	}
	return base
}

func (n *node) inside(i, base int) int {
	switch n.shape {
	case row, query, heading:
		return base
	case clause:
		if i == 0 {
			return base
		}
		return n.indent(1, base)
	case parens, cases:
		return n.indent(i, base)
	case ddl:
		if i == 0 {
			return base
		}
		return n.indent(i, base)
	case soft:
		if k := n.kids[i].shape; k == clause || k == list && i == 0 {
			return base
		}
	}
	return n.indent(i, base) + 2
}

// lead is the width up to the first place where the node may be broken.
func (n *node) lead() int {
	total, _ := n.upTo()
	return total
}

func (n *node) upTo() (total int, whole bool) {
	for i, k := range n.kids {
		if n.opens(i) {
			return total, false
		}
		w, whole := k.upTo()
		if i > 0 && k.first().space {
			w++
		}
		total += w
		if !whole {
			return total, false
		}
	}
	if n.shape == leaf {
		total = width(n.tok.text)
	}
	return total, true
}

// breakable says whether the node can be broken at all.
func (n *node) breakable() bool {
	_, whole := n.upTo()
	return !whole
}
