package review_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

const rulesDocument = "../docs/RULES.md"

// shippedTable is the table of the shipped rules as docs/RULES.md has it.
func shippedTable(rules []review.Rule) string {
	var b strings.Builder
	b.WriteString("| rule | tier, severity | every, after | needs | 45 CFR | what it looks for |\n" +
		"|---|---|---|---|---|---|\n")
	for i := range rules {
		r := &rules[i]
		kind := r.Tier + ", " + r.Severity
		if r.Explains() {
			kind = "filter"
		}
		needs := make([]string, len(r.Requires))
		for i, n := range r.Requires {
			needs[i] = "`" + n + "`"
		}
		fmt.Fprintf(&b, "| `%s` %s | %s | %s, %s | %s | %s | %s |\n", r.ID, r.Title, kind, short(r.Every),
			short(r.Settle), strings.Join(needs, ", "), strings.Join(r.Citations, ", "),
			strings.ReplaceAll(r.Description, "|", `\|`))
	}
	return b.String()
}

// short is a duration as people write it.
func short(d review.Duration) string {
	text := time.Duration(d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// TestRulesDocument: what docs/RULES.md says of the shipped rules is their front matter. WARD_WRITE_DOCS=1 writes it
// anew.
func TestRulesDocument(t *testing.T) {
	text, err := os.ReadFile(rulesDocument)
	if err != nil {
		t.Fatal(err)
	}
	const from, to = "<!-- shipped rules: written by TestRulesDocument -->\n", "<!-- end of shipped rules -->\n"
	before, rest, ok := strings.Cut(string(text), from)
	stands, after, closed := strings.Cut(rest, to)
	if !ok || !closed {
		t.Fatalf("%s has no %q and %q", rulesDocument, from, to)
	}
	want := shippedTable(shipped(t))
	if os.Getenv("WARD_WRITE_DOCS") != "" {
		if err := os.WriteFile(rulesDocument, []byte(before+from+want+to+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if stands != want {
		t.Errorf("%s does not say what the rules' front matter says: WARD_WRITE_DOCS=1 go test ./review -run "+
			"TestRulesDocument", rulesDocument)
	}
	for id, need := range needing {
		if !strings.Contains(want, "| `"+id+"` ") || !strings.Contains(want, "`"+need+"`") {
			t.Errorf("%s does not tell that %s needs %s", rulesDocument, id, need)
		}
	}
}

// TestClocksDocument: how long an anomaly may wait goes by its severity, and docs/RULES.md says how long that is.
func TestClocksDocument(t *testing.T) {
	t.Parallel()
	e := wardtest.New(t)
	text, err := os.ReadFile(rulesDocument)
	if err != nil {
		t.Fatal(err)
	}
	want := wardtest.One[string](e,
		`select string_agg(format('%s and %s', claim, close), ', ' order by close) from review.time_to`)
	if before, last, ok := strings.Cut(want, ", 10 and"); !ok ||
		!strings.Contains(string(text), before+", or 10 and"+last+" business days") {
		t.Errorf("%s does not say %q", rulesDocument, want)
	}
}
