package tui

import (
	"fmt"
	"strconv"
	"testing"
)

// bigLog is a store of five million rows that counts what is asked of it. Row n is the n-th newest.
type bigLog struct {
	rows, calls, served int
}

func (b *bigLog) older(from, n int) []int {
	b.calls++
	var out []int
	for i := from; i < min(from+n, b.rows); i++ {
		out = append(out, i)
	}
	b.served += len(out)
	return out
}

func (b *bigLog) newerThan(row, n int) []int {
	b.calls++
	var out []int
	for i := max(0, row-n); i < row; i++ {
		out = append(out, i)
	}
	b.served += len(out)
	return out
}

const testHeight = 34

func newBigPager(b *bigLog) *pager[int] {
	p := &pager[int]{id: strconv.Itoa, limit: eventMost}
	p.set(b.older(0, eventPage), false)
	return p
}

func (b *bigLog) fill(p *pager[int]) {
	switch p.need(testHeight) {
	case after:
		page := b.older(p.rows[len(p.rows)-1]+1, eventPage)
		p.add(after, page, len(page) < eventPage)
	case before:
		page := b.newerThan(p.rows[0], eventPage)
		p.add(before, page, len(page) < eventPage)
	case nowhere:
	}
}

func TestPagerKeepsABoundedWindow(t *testing.T) {
	b := &bigLog{rows: 5_000_000}
	p := newBigPager(b)
	for i := range 10_000 {
		p.move(1)
		b.fill(p)
		if len(p.rows) > eventMost {
			t.Fatalf("window of %d rows after %d steps", len(p.rows), i)
		}
		if row, _ := p.selected(); row != i+1 {
			t.Fatalf("after %d steps down row %d is selected", i+1, row)
		}
		if p.skipped+p.cursor != i+1 {
			t.Fatalf("row %d is counted as %d", i+1, p.skipped+p.cursor)
		}
		seen := map[int]bool{}
		rows, _ := p.visible(testHeight)
		for _, r := range rows {
			if seen[r] {
				t.Fatalf("row %d is on the screen twice", r)
			}
			seen[r] = true
		}
		if !seen[i+1] {
			t.Fatalf("the selected row %d is not on the screen", i+1)
		}
	}
	if most := 10_000/eventPage + 3; b.calls > most {
		t.Errorf("%d pages read for 10,000 rows, want at most %d", b.calls, most)
	}
	for range 10_000 {
		p.move(-1)
		b.fill(p)
	}
	if row, _ := p.selected(); row != 0 || !p.atStart {
		t.Errorf("back at the top row %d is selected, at the start: %v", row, p.atStart)
	}
}

func TestPagerJumpsReadOnePage(t *testing.T) {
	b := &bigLog{rows: 5_000_000}
	p := newBigPager(b)
	calls := b.calls
	p.setEnd(b.older(b.rows-eventPage, eventPage), false)
	if row, _ := p.selected(); row != b.rows-1 {
		t.Errorf("G selects row %d", row)
	}
	p.selectID, p.cursor = "", 0
	p.set(b.older(0, eventPage), false)
	if row, _ := p.selected(); row != 0 {
		t.Errorf("g selects row %d", row)
	}
	if b.calls-calls != 2 || b.served > 3*eventPage {
		t.Errorf("G and g read %d pages and %d rows", b.calls-calls, b.served)
	}
}

func TestPagerSelectsByID(t *testing.T) {
	p := &pager[int]{id: strconv.Itoa}
	p.set([]int{1, 2, 3, 4}, true)
	p.move(2)
	if gone := p.set([]int{9, 8, 3, 4}, true); gone || p.selectID != "3" {
		t.Errorf("selected %s after a refresh, gone: %v", p.selectID, gone)
	}
	if gone := p.set([]int{9, 8, 4}, true); !gone || p.selectID != "4" {
		t.Errorf("selected %s after its row went, gone: %v", p.selectID, gone)
	}
	p.set(nil, true)
	if _, ok := p.selected(); ok {
		t.Error("something is selected in an empty list")
	}
	p.set([]int{5, 6}, true)
	if p.selectID != "5" {
		t.Errorf("selected %q after the list filled again", p.selectID)
	}
}

func TestTableDrawsOnlyWhatIsSeen(t *testing.T) {
	p := &pager[int]{id: strconv.Itoa}
	drawn := 0
	rows := make([]int, 600)
	for i := range rows {
		rows[i] = i
	}
	p.set(rows, true)
	columns := []column[int]{{title: "N", width: 5, cell: func(i int) string { drawn++; return fmt.Sprint(i) }}}
	if got := drawTable(newStyles(), columns, p, 40, 20, false); len(got) != 20 {
		t.Errorf("%d lines, want 20", len(got))
	}
	if drawn != 19 {
		t.Errorf("%d cells drawn for 19 rows", drawn)
	}
}

func TestTableDropsColumns(t *testing.T) {
	columns := []column[int]{{title: "A", width: 10, grow: 1}, {title: "B", width: 10, drop: 1},
		{title: "C", width: 10, drop: 2}}
	for w, want := range map[int]int{60: 3, 37: 3, 36: 2, 24: 1, 5: 1} {
		kept, widths := arrange(columns, w)
		if len(kept) != want || len(widths) != want {
			t.Errorf("%d columns at %d cells, want %d", len(kept), w, want)
		}
	}
}
