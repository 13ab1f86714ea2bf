package review_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ward-health/ward/review"
)

// TestEvidenceIsDocumented: docs/EVIDENCE.md has every list with its columns in their order, and says of every column
// what it means; it has no others.
func TestEvidenceIsDocumented(t *testing.T) {
	raw, err := os.ReadFile("../docs/EVIDENCE.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	columns := map[string]bool{}
	for i := range review.EvidenceFiles {
		f := &review.EvidenceFiles[i]
		row := "| `" + f.Name + ".csv` | " + f.Citation + " | " + f.Asks + " | `" +
			strings.Join(f.Columns, "` `") + "` |\n"
		if !strings.Contains(text, row) {
			t.Errorf("docs/EVIDENCE.md lacks\n%s", row)
		}
		for _, c := range f.Columns {
			columns[c] = true
		}
	}
	_, glossary, ok := strings.Cut(text, "\n## Columns\n")
	if !ok {
		t.Fatal("docs/EVIDENCE.md has no section Columns")
	}
	glossary, _, _ = strings.Cut(glossary, "\n## ")
	described := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| \\S").FindAllStringSubmatch(glossary, -1) {
		described[m[1]] = true
	}
	if len(columns) < 100 {
		t.Fatalf("only %d columns", len(columns))
	}
	for c := range columns {
		if !described[c] {
			t.Errorf("docs/EVIDENCE.md does not say what %s means", c)
		}
	}
	for c := range described {
		if !columns[c] {
			t.Errorf("docs/EVIDENCE.md describes %s, which no list has", c)
		}
	}
}
