package tui

// edge is a side of a pager's window.
type edge int

const (
	nowhere edge = iota
	before       // the rows above the window
	after        // the rows below it
)

// pager keeps a bounded window over rows that are read by key, page by page, in either direction. It reads nothing
// itself: need says which page is wanted, and add takes it. The selected row is known by its id, never by its place.
type pager[R any] struct {
	id    func(R) string
	limit int // most rows held; 0: no bound, for lists that are small by nature

	rows     []R
	atStart  bool // no row stands above the window
	atEnd    bool // none below
	cursor   int
	top      int
	skipped  int  // rows above the window, as far as counted
	counted  bool // skipped is known
	selectID string
}

// set replaces the window by the first page of a list and keeps the selection where its row is still there. It reports
// whether the row that was selected is gone.
func (p *pager[R]) set(rows []R, complete bool) (gone bool) {
	held := p.selectID
	p.rows, p.atStart, p.atEnd, p.skipped, p.counted = rows, true, complete, 0, true
	if p.find(held) {
		return false
	}
	p.cursor = min(p.cursor, max(0, len(rows)-1))
	p.mark()
	return held != ""
}

// setEnd replaces the window by the last page of a list and selects its last row.
func (p *pager[R]) setEnd(rows []R, complete bool) {
	p.rows, p.atStart, p.atEnd, p.skipped, p.counted = rows, complete, true, 0, complete
	p.cursor, p.top = max(0, len(rows)-1), 0
	p.mark()
}

// reset forgets rows, selection and place.
func (p *pager[R]) reset() {
	*p = pager[R]{id: p.id, limit: p.limit}
}

// find moves the cursor to a row by its id.
func (p *pager[R]) find(id string) bool {
	for i, r := range p.rows {
		if id != "" && p.id(r) == id {
			p.cursor = i
			p.mark()
			return true
		}
	}
	return false
}

// add puts a page in its place; end says that nothing stands beyond it. What is then too much is dropped at the other
// side.
func (p *pager[R]) add(at edge, page []R, end bool) {
	switch at {
	case after:
		p.rows, p.atEnd = append(p.rows, page...), end
		if drop := p.excess(); drop > 0 {
			p.rows = append([]R(nil), p.rows[drop:]...)
			p.cursor, p.top, p.skipped, p.atStart = max(0, p.cursor-drop), max(0, p.top-drop), p.skipped+drop, false
		}
	case before:
		p.rows, p.atStart = append(append([]R(nil), page...), p.rows...), end
		p.cursor, p.top, p.skipped = p.cursor+len(page), p.top+len(page), max(0, p.skipped-len(page))
		if end {
			p.skipped, p.counted = 0, true
		}
		if drop := p.excess(); drop > 0 {
			p.rows, p.atEnd = p.rows[:len(p.rows)-drop], false
			p.cursor = min(p.cursor, len(p.rows)-1)
		}
	case nowhere:
	}
	p.mark()
}

func (p *pager[R]) excess() int {
	if p.limit == 0 {
		return 0
	}
	return len(p.rows) - p.limit
}

// move moves the cursor by n rows within the window.
func (p *pager[R]) move(n int) {
	p.cursor = min(max(0, p.cursor+n), max(0, len(p.rows)-1))
	p.mark()
}

func (p *pager[R]) mark() {
	p.selectID = ""
	if r, ok := p.selected(); ok {
		p.selectID = p.id(r)
	}
}

// selected is the row under the cursor.
func (p *pager[R]) selected() (R, bool) {
	if p.cursor < 0 || p.cursor >= len(p.rows) {
		var none R
		return none, false
	}
	return p.rows[p.cursor], true
}

// visible is what a screen of h lines shows, and the place of its first row in the window.
func (p *pager[R]) visible(h int) ([]R, int) {
	if h < 1 {
		return nil, 0
	}
	p.top = min(p.top, p.cursor)
	p.top = max(p.top, p.cursor-h+1)
	p.top = max(0, min(p.top, len(p.rows)-h))
	return p.rows[p.top:min(p.top+h, len(p.rows))], p.top
}

// need says which page is to be read next: the one beyond the edge that the cursor is within a screen of.
func (p *pager[R]) need(h int) edge {
	switch {
	case len(p.rows) == 0:
		return nowhere
	case !p.atEnd && p.cursor >= len(p.rows)-h:
		return after
	case !p.atStart && p.cursor < h:
		return before
	}
	return nowhere
}
