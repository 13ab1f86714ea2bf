package tui

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/uuid"
)

// dash stands where there is nothing to show.
const dash = "—"

// fit makes s exactly w cells wide, on one line.
func fit(s string, w int) string {
	if w <= 0 {
		return ""
	}
	s = strings.ReplaceAll(s, "\n", " ")
	if n := ansi.StringWidth(s); n <= w {
		return s + strings.Repeat(" ", w-n)
	}
	s = ansi.Truncate(s, w, "…")
	return s + strings.Repeat(" ", max(0, w-ansi.StringWidth(s)))
}

// fitRight is fit with the text at the right.
func fitRight(s string, w int) string {
	if n := ansi.StringWidth(s); n < w {
		return strings.Repeat(" ", w-n) + s
	}
	return fit(s, w)
}

// ends puts left and right on one line of w cells; right gives way.
func ends(left, right string, w int) string {
	gap := w - ansi.StringWidth(left)
	if gap < 2 {
		return fit(left, w)
	}
	return left + fitRight(right, gap)
}

// wrap breaks text into lines of at most w cells.
func wrap(s string, w int) []string {
	s = strings.TrimSpace(s)
	if s == "" || w < 1 {
		return nil
	}
	return strings.Split(ansi.Wrap(s, w, ""), "\n")
}

// wrapStyled is wrap for text that carries its own looks, blank lines included.
func wrapStyled(s string, w int) []string {
	if s == "" {
		return []string{""}
	}
	return strings.Split(ansi.Wrap(s, w, ""), "\n")
}

// ago is a length of time as a list shows it.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 21*24*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	default:
		return fmt.Sprintf("%dw", d/(7*24*time.Hour))
	}
}

// minutes is a length of time in words, never less than nothing.
func minutes(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 min"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", (d+time.Minute-1)/time.Minute)
	default:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
}

// full is a time with its zone, as details show it.
func full(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02 15:04:05 MST")
}

// short is the beginning of an id.
func short(id uuid.UUID, n int) string { return id.String()[:n] }

// shortLength is how many characters of these ids, at least four, tell them apart.
func shortLength(ids []uuid.UUID) int {
	for n := 4; n < 36; n++ {
		seen, clash := map[string]uuid.UUID{}, false
		for _, id := range ids {
			p := short(id, n)
			if other, ok := seen[p]; ok && other != id {
				clash = true
				break
			}
			seen[p] = id
		}
		if !clash {
			return n
		}
	}
	return 36
}

// value is what a pointer holds, or the dash.
func value[T any](p *T) string {
	if p == nil {
		return dash
	}
	if s := fmt.Sprint(*p); s != "" {
		return s
	}
	return dash
}

// table name as people say it.
func bare(table string) string { return strings.TrimPrefix(table, "public.") }

// thousands writes a number with thin groups, as 9 120 334.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// bytesText is a size in words.
func bytesText(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	x, i := float64(n)/unit, 0
	for x >= unit && i < 3 {
		x, i = x/unit, i+1
	}
	format := "%.0f %s"
	if x < 10 {
		format = "%.1f %s"
	}
	return fmt.Sprintf(format, x, []string{"kB", "MB", "GB", "TB"}[i])
}

// plural is a count with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(int64(n)) + " " + many
}

// number shows a fact that is a number or a text.
func number(v any) string {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return thousands(int64(v))
		}
		return strconv.FormatFloat(v, 'f', 2, 64)
	case string:
		return v
	case nil:
		return dash
	}
	b, err := json.Marshal(v)
	if err != nil {
		return dash
	}
	return string(b)
}

// sparkline draws counts, each as a bar from nothing to the largest.
func sparkline(counts []float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	most := 0.0
	for _, c := range counts {
		most = max(most, c)
	}
	var b strings.Builder
	for _, c := range counts {
		i := 0
		if most > 0 && c > 0 {
			i = min(int(c/most*float64(len(bars))), len(bars)-1)
		}
		b.WriteRune(bars[i])
	}
	return b.String()
}
