package review_test

import (
	"testing"

	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
	"github.com/ward-health/ward/review/ruletest"
)

func shipped(t testing.TB) []review.Rule {
	t.Helper()
	rules, err := review.LoadRules(queries.Rules())
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestRules runs every shipped rule's own cases, and then its mutants: a term of the rule that no case needs is a case
// that is missing.
func TestRules(t *testing.T) {
	rules := shipped(t)
	for i := range rules {
		t.Run(rules[i].ID, func(t *testing.T) {
			t.Parallel()
			subject, err := ruletest.Load(queries.Rules(), &rules[i])
			if err != nil {
				t.Fatal(err)
			}
			_, db := scratch(t)
			report, err := ruletest.Test(t.Context(), db, &subject, rules)
			if err != nil {
				t.Fatal(err)
			}
			tell(t, &report)
		})
	}
}

// tell turns a report into the test's outcome.
func tell(t *testing.T, report *ruletest.Report) {
	t.Helper()
	for _, p := range report.Problems {
		t.Error(p)
	}
	for _, c := range report.Cases {
		t.Run(c.Name, func(t *testing.T) {
			if !c.Passed {
				t.Error(c.Problem)
			}
		})
	}
	for _, term := range report.Terms {
		if !term.Passed {
			t.Errorf("%q: %s", term.Term, term.Problem)
		}
	}
	if len(report.Cases) < 3 || len(report.Terms) == 0 || report.Passed == t.Failed() {
		t.Errorf("%d cases and %d terms, passed %t", len(report.Cases), len(report.Terms), report.Passed)
	}
}
