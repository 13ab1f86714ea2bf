package sqlfmt

import (
	"strings"
	"testing"
)

// Deep nesting takes its time, but not more than the square of its length, and what is deeper than anything sensible
// is refused.
func TestNesting(t *testing.T) {
	for _, part := range [][2]string{
		{"(", ")"}, {"f(a, ", ")"}, {"coalesce((select ", "), '[]')"}, {"case when a then ", " end"},
	} {
		src := "select " + strings.Repeat(part[0], 100) + "1" + strings.Repeat(part[1], 100)
		if _, err := Format([]byte(src)); err != nil {
			t.Errorf("%s: %v", part[0], err)
		}
		src = "select " + strings.Repeat(part[0], 5000) + "1" + strings.Repeat(part[1], 5000)
		if _, err := Format([]byte(src)); err == nil {
			t.Errorf("%s 5000 times: no error", part[0])
		}
	}
}
