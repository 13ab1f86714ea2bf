package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// column is one column of a table. It is at least width cells wide and takes its share (grow) of what is left over;
// where there is too little room the columns with the highest drop go first.
//
// Tables are not Bubbles': that one holds every row, where a pager holds a window over pages that are read by key in
// both directions; it cuts columns where these go by importance; and once it had no rows, it selects none.
type column[R any] struct {
	title string
	width int
	grow  int
	drop  int // 0: stays
	right bool
	cell  func(R) string
	look  func(R) lipgloss.Style // nil: plain
	// span of the first column draws a row as one text over all columns.
	span func(R) (string, bool)
}

// arrange fits columns to w cells and returns those that stay, with their widths.
func arrange[R any](columns []column[R], w int) ([]column[R], []int) {
	kept := append([]column[R](nil), columns...)
	for need(kept) > w {
		worst := -1
		for i, c := range kept {
			if c.drop > 0 && (worst < 0 || c.drop > kept[worst].drop) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		kept = append(kept[:worst], kept[worst+1:]...)
	}
	widths, shares := make([]int, len(kept)), 0
	for i, c := range kept {
		widths[i], shares = c.width, shares+c.grow
	}
	left := max(0, w-need(kept))
	for i, c := range kept {
		if c.grow > 0 {
			part := left * c.grow / shares
			widths[i], left, shares = widths[i]+part, left-part, shares-c.grow
		}
	}
	return kept, widths
}

// need is the least width of columns: their marker, themselves and two cells between them.
func need[R any](columns []column[R]) int {
	n := 1
	for _, c := range columns {
		n += c.width + 2
	}
	return n
}

// drawTable draws a heading and what a pager shows, in exactly h lines of w cells. faded rows are the last ones known,
// not the present ones.
func drawTable[R any](st *styles, columns []column[R], p *pager[R], w, h int, faded bool) []string {
	kept, widths := arrange(columns, w)
	head := make([]string, 0, len(kept))
	for i, c := range kept {
		head = append(head, align(c.title, widths[i], c.right))
	}
	lines := []string{st.dim.Render(fit("  "+strings.Join(head, "  "), w))}
	rows, first := p.visible(h - 1)
	for n, r := range rows {
		on := first+n == p.cursor
		mark, cells := "  ", make([]string, 0, len(kept))
		if on {
			mark = st.accent.Render("▸") + " "
		}
		if text, ok := spanning(kept, r); ok {
			lines = append(lines, fit(mark+rowLook(st, kept[0], r, on, faded).Render(fit(text, w-2)), w))
			continue
		}
		for i, c := range kept {
			cells = append(cells, rowLook(st, c, r, on, faded).Render(align(c.cell(r), widths[i], c.right)))
		}
		lines = append(lines, fit(mark+strings.Join(cells, "  "), w))
	}
	return pad(lines, w, h)
}

func align(s string, w int, right bool) string {
	if right {
		return fitRight(s, w)
	}
	return fit(s, w)
}

// pad makes exactly h lines of w cells.
func pad(lines []string, w, h int) []string {
	for i := range lines {
		lines[i] = fit(lines[i], w)
	}
	for len(lines) < h {
		lines = append(lines, strings.Repeat(" ", w))
	}
	return lines[:max(0, h)]
}

func spanning[R any](kept []column[R], r R) (string, bool) {
	if len(kept) == 0 || kept[0].span == nil {
		return "", false
	}
	return kept[0].span(r)
}

// rowLook is how a cell looks: the selected row is bold, rows that are not the present are faint.
func rowLook[R any](st *styles, c column[R], r R, on, faded bool) lipgloss.Style {
	look := st.plain
	if c.look != nil {
		look = c.look(r)
	}
	switch {
	case faded:
		return look.Faint(true).Bold(false)
	case on:
		return look.Bold(true).Faint(false)
	}
	return look
}
