package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestReport: what passed is one line for each package, what failed is shown whole, and what was missing is named once.
func TestReport(t *testing.T) {
	var out bytes.Buffer
	r := report{out: &out, said: map[string][]string{}, lacking: map[string][]string{}}
	feed := func(action, pkg, test, output string) {
		t.Helper()
		line, err := json.Marshal(event{action, pkg, test, output})
		if err != nil {
			t.Fatal(err)
		}
		r.line(string(line) + "\n")
	}
	const why = "needs pgbouncer, which is not installed here: apt install pgbouncer"
	for _, test := range []string{"TestOne", "TestTwo"} {
		feed("run", "x/tenancy", test, "")
		feed("output", "x/tenancy", test, "=== RUN   "+test+"\n")
		feed("output", "x/tenancy", test, "    a_test.go:12: "+why+"\n")
		feed("output", "x/tenancy", test, "--- SKIP: "+test+" (0.00s)\n")
		feed("skip", "x/tenancy", test, "")
	}
	feed("output", "x/tenancy", "TestGood", "    a_test.go:1: a passed test's log\n")
	feed("pass", "x/tenancy", "TestGood", "")
	feed("output", "x/tenancy", "", "PASS\n")
	feed("output", "x/tenancy", "", "ok  \tx/tenancy\t0.1s\n")
	feed("pass", "x/tenancy", "", "")
	feed("output", "x/audit", "TestBad", "=== RUN   TestBad\n")
	feed("output", "x/audit", "TestBad", "    b_test.go:3: broken\n")
	feed("output", "x/audit", "TestBad", "--- FAIL: TestBad (0.00s)\n")
	feed("fail", "x/audit", "TestBad", "")
	feed("output", "x/audit", "", "FAIL\tx/audit\t0.1s\n")
	feed("fail", "x/audit", "", "")
	feed("build-output", "", "", "x/y.go:1: does not compile\n")
	r.line("no json\n")
	r.summary()
	want := strings.Join([]string{"ok  \tx/tenancy\t0.1s", "    b_test.go:3: broken", "--- FAIL: TestBad (0.00s)",
		"FAIL\tx/audit\t0.1s", "x/y.go:1: does not compile", "no json", "",
		"skipped (2), run again with -count=1 once this is installed:", "  " + why,
		"    tenancy.TestOne, tenancy.TestTwo", ""}, "\n")
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}
