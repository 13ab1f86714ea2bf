package sqlfmt

func queryStart(n *node) bool {
	switch n.word() {
	case "select", "with", "insert", "update", "delete", "values", "perform", "merge":
		return true
	}
	return false
}

// parseQuery splits a query, or a statement of plpgsql that is one, into its clauses.
func parseQuery(nodes []*node) *node {
	q := &queryParser{nodes: nodes, head: nodes[0].word()}
	n := &node{shape: query}
	for from := 0; from < len(nodes); {
		kw := max(1, q.starts(from))
		to := from + kw
		for to < len(nodes) && q.starts(to) == 0 {
			to++
		}
		n.kids = append(n.kids, q.clause(nodes[from:from+kw:from+kw], nodes[from+kw:to:to]))
		from = to
	}
	return rowOrSelf(n)
}

type queryParser struct {
	nodes []*node
	head  string // select, insert, ...: what the query does, after its with
}

func (q *queryParser) at(i int) string {
	if i < 0 || i >= len(q.nodes) {
		return ""
	}
	return q.nodes[i].word()
}

// starts says how many words at i begin a clause: 0 if none does.
func (q *queryParser) starts(i int) int {
	w, next, prev := q.at(i), q.at(i+1), q.at(i-1)
	if w == "" || i+1 < len(q.nodes) && q.nodes[i+1].is(".") {
		return 0
	}
	switch w {
	case "with":
		if i > 0 {
			return 0
		}
		return words(next == "recursive")
	case "select", "perform":
		return words(next == "distinct" && q.at(i+2) != "on")
	case "insert", "update", "delete", "merge":
		return q.changes(i)
	case "values":
		return 1
	case "union", "intersect", "except":
		return words(next == "all" || next == "distinct")
	case "group", "order":
		return phrase(next == "by")
	}
	if prev == "as" {
		return 0
	}
	switch w {
	case "where", "having", "limit", "offset", "window", "returning", "fetch":
		return 1
	case "from":
		return one(prev != "distinct" || q.at(i-2) != "is" && q.at(i-2) != "not")
	case "into":
		return words(next == "strict")
	case "set":
		return one(q.head == "update" || prev == "update")
	case "using":
		return one(q.head == "delete" || q.head == "merge")
	case "on":
		return phrase(next == "conflict")
	case "for":
		return one(next == "update" || next == "share" || next == "no" || next == "key")
	}
	return 0
}

func (q *queryParser) changes(i int) int {
	w, next, prev := q.at(i), q.at(i+1), q.at(i-1)
	if prev == "for" || prev == "do" || prev == "key" || prev == "then" {
		return 0
	}
	q.head = w
	return words(next == "into" && (w == "insert" || w == "merge") || next == "from" && w == "delete")
}

func words(two bool) int {
	if two {
		return 2
	}
	return 1
}

func phrase(ok bool) int {
	if ok {
		return 2
	}
	return 0
}

func one(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

func (q *queryParser) clause(kw, rest []*node) *node {
	n := &node{shape: clause, kids: []*node{rowOf(kw)}}
	if len(rest) == 0 {
		return n.kids[0]
	}
	var body *node
	switch kw[0].word() {
	case "with":
		n.level = true
		body = listOf(rest, expression)
		body.each = body.each || body.shape == list
	case "from", "using":
		body = listOf(rest, joins)
		body.each = body.each || body.shape == list
	case "values":
		body = listOf(rest, expression)
		body.each = body.each || body.shape == list
		n.below = body.shape == list
	case "insert":
		body = rowOf(rest)
	default:
		body = expression(rest)
	}
	n.kids = append(n.kids, body)
	return n
}

// joins is one item of from: tables with what joins them.
func joins(nodes []*node) *node {
	parts := split(nodes, func(i int) bool { return joinStart(nodes, i) })
	if len(parts) == 1 {
		return rowOf(nodes)
	}
	n := &node{shape: chain, each: true}
	for _, p := range parts {
		n.kids = append(n.kids, join(p))
	}
	return n
}

func joinStart(nodes []*node, i int) bool {
	if !joinWords[nodes[i].word()] || i > 0 && joinWords[nodes[i-1].word()] || i > 0 && nodes[i-1].word() == "outer" {
		return false
	}
	for ; i < len(nodes); i++ {
		switch w := nodes[i].word(); {
		case w == "join":
			return true
		case !joinWords[w] && w != "outer":
			return false
		}
	}
	return false
}

func join(nodes []*node) *node {
	for i := 1; i < len(nodes)-1; i++ {
		if nodes[i].word() == "on" {
			on := &node{shape: clause, level: true, kids: []*node{nodes[i], expression(nodes[i+1:])}}
			return &node{shape: row, kids: append(nodes[:i:i], on)}
		}
	}
	return rowOf(nodes)
}
