package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// emit writes rows: as JSON lines with --json, else as a table. columns makes a row's cells. Names from the database are cleaned of control characters, because
// whoever chose a name may not be a friend of whoever reads it.
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
	return writeTable(a.Out, table)
}

func writeTable(w io.Writer, table [][]string) error {
	width := make([]int, len(table[0]))
	for _, row := range table {
		for i, c := range row {
			width[i] = max(width[i], ansi.StringWidth(c))
		}
	}
	var b strings.Builder
	for _, row := range table {
		for i, c := range row {
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
