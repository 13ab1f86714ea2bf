package archive

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestExplain has words for every status that there is.
func TestExplain(t *testing.T) {
	source, err := os.ReadFile("report.go")
	if err != nil {
		t.Fatal(err)
	}
	statuses := regexp.MustCompile(`(?m)^\t[A-Z]\w+ += "([A-Z_]{5,})"`).FindAllStringSubmatch(string(source), -1)
	if len(statuses) < 25 || len(statuses) != len(explanations) {
		t.Errorf("%d statuses, %d explained", len(statuses), len(explanations))
	}
	for _, s := range statuses {
		means, next := Finding{Status: s[1]}.Explain()
		if !strings.HasSuffix(means, ".") || !strings.HasSuffix(next, ".") || strings.Contains(means, "newer ward") ||
			strings.Contains(means, "not know this status") {
			t.Errorf("%s: %q, %q", s[1], means, next)
		}
	}
	if means, _ := (Finding{Status: "NEWS"}).Explain(); !strings.Contains(means, "does not know") {
		t.Errorf("an unknown status: %q", means)
	}
}
