package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// emit writes rows: as JSON lines with --json, else as a table. columns makes a row's cells. Names from the database
// are cleaned of control characters, because whoever chose a name may not be a friend of whoever reads it.
func emit[T any](a *app, rows []T, head []string, columns func(T) []string) error {
	if a.asJSON {
		enc := json.NewEncoder(a.Out)
		for _, r := range rows {
			if err := enc.Encode(r); err != nil {
				return fmt.Errorf("write result: %w", err)
			}
		}
		return nil
	}
	table := make([][]string, 0, len(rows)+1)
	table = append(table, head)
	for _, r := range rows {
		cells := columns(r)
		for i := range cells {
			cells[i] = clean(cells[i])
		}
		table = append(table, cells)
	}
	return writeTable(a.Out, table, columnsOf(a.Out))
}

// columnsOf is how wide a terminal is; 0: it is none, and nothing is cut.
func columnsOf(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	wide, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return wide
}

// narrow makes columns fit a terminal, the widest first; none becomes narrower than eight cells.
func narrow(width []int, wide int) {
	total := 2 * (len(width) - 1)
	for _, n := range width {
		total += n
	}
	for ; wide > 0 && total > wide; total-- {
		widest := 0
		for i, n := range width {
			if n > width[widest] {
				widest = i
			}
		}
		if width[widest] <= 8 {
			return
		}
		width[widest]--
	}
}

// writeTable writes rows under their heading. On a terminal cells are cut to its width, with a mark; everywhere else
// they are whole.
func writeTable(w io.Writer, table [][]string, wide int) error {
	width := make([]int, len(table[0]))
	for _, row := range table {
		for i, c := range row {
			width[i] = max(width[i], ansi.StringWidth(c))
		}
	}
	narrow(width, wide)
	var b strings.Builder
	for _, row := range table {
		for i, c := range row {
			c = ansi.Truncate(c, width[i], "…")
			b.WriteString(c)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-ansi.StringWidth(c)+2))
			}
		}
		b.WriteByte('\n')
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// one writes a single result: as JSON with --json, else as text.
func one(a *app, v any, text string) error {
	var err error
	if a.asJSON {
		err = json.NewEncoder(a.Out).Encode(v)
	} else {
		_, err = fmt.Fprintln(a.Out, text)
	}
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// clean drops escapes and control characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return -1
		}
		return r
	}, ansi.Strip(s))
}

func or(s *string, otherwise string) string {
	if s == nil || *s == "" {
		return otherwise
	}
	return *s
}

func shortID(id fmt.Stringer) string { return id.String()[:8] }

// when is a time with its zone.
func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func whenOr(t *time.Time, otherwise string) string {
	if t == nil {
		return otherwise
	}
	return when(*t)
}

// plain is a table's name as people say it.
func plain(table string) string { return strings.TrimPrefix(table, "public.") }
