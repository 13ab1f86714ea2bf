package check

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	escaped  = regexp.MustCompile(`\\(.)`)
)

// quoted lists the messages that a page's tables explain: the code in the first cell of each row, in tables whose first
// column is a Message or a Reason.
func quoted(page string) []string {
	var found []string
	messages := false
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			messages = false
			continue
		}
		first := strings.TrimSpace(cells[1])
		if strings.HasPrefix(first, "Message") || first == "Reason" {
			messages = true
		}
		if messages {
			for _, m := range codeSpan.FindAllStringSubmatch(first, -1) {
				found = append(found, m[1])
			}
		}
	}
	return found
}

// elsewhere are messages that no list of ours has: PostgreSQL's own, and those that code puts together.
var elsewhere = map[string]bool{
	"permission denied for table ...":         true,
	"no PostgreSQL ... found":                 true, // internal/postgres: NotFoundError
	"check that its server runs, and the url": true, // cmd/cli: exit
}

// docs/TROUBLESHOOTING.md explains messages that ward has, in ward's words.
func TestTroubleshootingQuotesMessages(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/TROUBLESHOOTING.md")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(root + "/docs/MESSAGES.md")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(strings.Fields(escaped.ReplaceAllString(string(list), "$1")), " ")
	messages := quoted(string(page))
	if len(messages) < 40 {
		t.Fatalf("only %d messages found", len(messages))
	}
	for _, m := range messages {
		if elsewhere[m] {
			continue
		}
		for part := range strings.SplitSeq(m, "...") {
			if part = strings.TrimSpace(part); part != "" && !strings.Contains(all, part) {
				t.Errorf("docs/TROUBLESHOOTING.md explains %q; no message has %q", m, part)
			}
		}
	}
}

func TestQuotedMessages(t *testing.T) {
	page := "| Message (SQLSTATE) | Cause |\n|---|---|\n| `one`, `two ...` (42501) | `not this` |\n| none | x |\n\n" +
		"| What you see | x |\n| `other` | x |\n"
	if got := strings.Join(quoted(page), ";"); got != "one;two ..." {
		t.Errorf("got %q", got)
	}
}
