package tenancy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// labels are the attacks that worked on an earlier form of this design, or still do in part.
var labels = map[string]string{
	"A1": "a temporary type named uuid chose the clinic",
	"B2": "an owner takes the triggers away",
	"C1": "constraints as oracles",
	"D1": "an ask committed without its flush",
	"E1": "a transaction older than the token's end",
	"E2": "a snapshot older than the revocation",
	"E3": "an exported snapshot",
	"F1": "a search rolled back",
	"F2": "functions that return nothing and read PHI tables",
	"H1": "a refused begin rolled back",
	"H2": "a denied ask leaves no event",
	"I1": "a customer's trigger with an unqualified name",
	"J1": "a policy on the bare setting",
	"K1": "a row changed with its hash and link left",
	"L1": "a look after the lease or the session has ended",
	"L2": "a cursor WITH HOLD read under the next identity",
	"M1": "several transactions in one message, for which now() stands still",
	"M2": "begin inside a write, or two identities in one transaction",
	"M3": "an identity that changes between two scans of one statement",
	"N1": "an unknown kid, and a comparison with null",
	"O1": "the order of a scan ranks an undisclosed record",
	"P1": "a leakproof condition below the disclosure filter",
	"Q1": "a prepared statement left for the next user",
	"Q2": "a temporary table in the application's way",
	"Q3": "a role's own settings",
	"R1": "logical decoding",
	"S1": "a victim renamed onto a disclosed dummy",
	"T1": "another session's token in pg_stat_activity",
	"X1": "one session id with tokens of two clinics",
}

// Every label has a sub-test that carries it or a residual point, and no test carries a label that is not listed.
func TestEveryAttackHasItsTest(t *testing.T) {
	named := map[string]bool{}
	files := 0
	for _, dir := range []string{".", "../audit", "../queries"} {
		paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if path == "labels_test.go" {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files++
			// the name of a sub-test or of a case: a string that begins with a label
			for _, m := range regexp.MustCompile(`"([A-Z][0-9])(?: [a-z]|: )`).FindAllStringSubmatch(string(text), -1) {
				named[m[1]] = true
			}
		}
	}
	if files < 15 {
		t.Fatalf("only %d test files found", files)
	}
	page, err := os.ReadFile("../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, open, found := strings.Cut(string(page), "## What remains open")
	if !found {
		t.Fatal("docs/SECURITY.md does not say what remains open")
	}
	for label, attack := range labels {
		if !named[label] && !regexp.MustCompile(`\([^()]*\b`+label+`\b[^()]*\)`).MatchString(open) {
			t.Errorf("%s (%s): no sub-test carries the label and docs/SECURITY.md does not name it", label, attack)
		}
	}
	for label := range named {
		if labels[label] == "" {
			t.Errorf("a test is named by %s, which is not in the list of labels", label)
		}
	}
}
