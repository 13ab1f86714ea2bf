package review_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ward-health/ward/review"
)

const ruleID = "T01-test"

// goodRule is a rule file to break in one place at a time.
const goodRule = `/*---
id: T01-test
version: 1
title: a test
status: stable
tier: B
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)"]
every: 1m
settle: 0s
entity: [tenant_id, actor_id]
params: {least: 1}
false_positives: ["a: one", "b: two"]
max_new_per_run: 10
---*/
-- now() in a comment, and ':x', are nobody's business; it's fine
select a.tenant_id, a.user_id, null::uuid, min(a.at), max(a.at), 'update of :from', '{}'::jsonb, array_agg(a.event_id)
from review.access a where a.batch > :from and a.batch <= :to and a.action = 'view'
group by 1, 2 having count(*) >= :least
`

const goodTests = `tests:
  - {name: finds, events: [{user: casey, at: -1m}], expect: [{tenant: cedar, actor: casey, evidence: 1}]}
  - {name: "false positive: a", events: [{user: casey, at: -1m}], expect: []}
  - {name: "false positive: b", events: [{user: casey, at: -1m}], expect: []}
  - {name: "tenant isolation: x", events: [{user: casey, at: -1m}], expect: []}
  - {name: "boundary: x", events: [{user: casey, at: -1m}], expect: []}
  - {name: "late event: x", events: [{user: casey, at: -1m, late: true}], expect: []}
`

func TestShippedRulesLoad(t *testing.T) {
	var ids []string
	for _, r := range shipped(t) {
		ids = append(ids, r.ID)
	}
	if want := []string{"F01-appointment", "F02-encounter", "F03-message", "F04-claim", "F05-front-desk",
		"F06-records-office", "F07-covering", "F08-care-team", "F90-repeat-access", "A01-cross-tenant-success",
		"A02-cross-tenant-denied", "A03-terminated-user", "A04-not-permitted", "A05-service-off-list",
		"A06-service-like-a-person", "A07-log-gap", "A08-reviewer-on-self", "A09-other-patient-denied",
		"B01-no-treatment-relationship", "B02-after-discharge", "B03-break-glass", "B04-cancelled-or-no-show",
		"B05-crowd", "B06-own-record", "B07-co-worker", "B08-same-surname", "B09-same-address", "B10-vip",
		"B11-deceased", "C01-high-volume", "C02-enumeration", "C03-off-hours", "C04-dormant", "C05-export",
		"C06-searches-without-a-find", "C07-two-places", "S01-random-sample", "S02-late-rule",
		"S03-on-call-access"}; !slices.Equal(ids, want) {
		t.Errorf("rules %q, want %q", ids, want)
	}
}

func TestParseRule(t *testing.T) {
	r, err := review.ParseRule(ruleID, []byte(goodRule))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Binds, []string{"from", "to", "least"}) ||
		!strings.Contains(r.SQL, "a.batch > $1 and a.batch <= $2") || !strings.Contains(r.SQL, "count(*) >= $3") ||
		!strings.Contains(r.SQL, "'update of :from'") || !strings.Contains(r.SQL, "'{}'::jsonb") {
		t.Errorf("binds %q in\n%s", r.Binds, r.SQL)
	}
	if len(r.Hash) != 64 || time.Duration(r.Every) != time.Minute || r.Params["least"] != 1 {
		t.Errorf("%+v", r)
	}
	other, err := review.ParseRule(ruleID, []byte(strings.Replace(goodRule, "'view'", "'export'", 1)))
	if err != nil || other.Hash == r.Hash {
		t.Errorf("the hash does not tell two texts apart: %v", err)
	}
}

func TestParseRuleRefuses(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"no front matter", "/*---\n", "/*-- \n", "does not start with"},
		{"an unknown key", "title: a test", "title: a test\nseverty: high", "severty"},
		{"a second document", "title: a test", "title: a test\n---\nowner: nobody", "more than one YAML document"},
		{"another id", "id: T01-test", "id: T02-test", "not the file's name"},
		{"no version", "version: 1", "version: 0", "version is missing"},
		{"no title", "title: a test", "title: ''", "title is missing"},
		{"a tier that is none", "tier: B", "tier: D", "tier is"},
		{"a severity that is none", "severity: medium", "severity: bad", "severity is"},
		{"a kind that is none", "kind: flag", "kind: flog", "kind is flag"},
		{"no citation", `citations: ["164.308(a)(1)(ii)(D)"]`, "citations: []", "cites nothing"},
		{"an empty citation", `citations: ["164.308(a)(1)(ii)(D)"]`, `citations: [" "]`, "cites nothing"},
		{"no false positives", `false_positives: ["a: one", "b: two"]`, "false_positives: []", "no false positives"},
		{"no period", "every: 1m", "every: 0s", "every is missing"},
		{"a negative settle", "settle: 0s", "settle: -1h", "settle is negative"},
		{"no bound", "max_new_per_run: 10", "max_new_per_run: 0", "max_new_per_run is missing"},
		{"no tenant in the entity", "[tenant_id, actor_id]", "[actor_id]", "starts with tenant_id"},
		{"an entity that is none", "[tenant_id, actor_id]", "[tenant_id, record_id]", `"record_id"`},
		{"no :from", "a.batch > :from and ", "", "does not use :from"},
		{"no :to", "and a.batch <= :to", "", "does not use :to"},
		{"a parameter that is none", ":least", ":lest", ":lest, which is no parameter"},
		{"an insert", "from review.access a", "from (insert into x values (1) returning *) a", `"insert"`},
		{"an update", "select a.tenant_id",
			"with x as (UPDATE y set z = 1 returning *) select a.tenant_id", `"UPDATE"`},
		{"a second statement", "group by 1, 2", "group by 1, 2; select 1", `";"`},
		{"now()", "count(*) >=", "now() > '2026-01-01' and count(*) >=", `"now("`},
		{"now ()", "count(*) >=", "now () > '2026-01-01' and count(*) >=", `"now ("`},
		{"the literal now", "count(*) >=", "'now'::timestamptz > '2026-01-01' and count(*) >=", `"'now'"`},
		{"current_date", "count(*) >=", "current_date > '2026-01-01' and count(*) >=", `"current_date"`},
		{"statement_timestamp()", "count(*) >=", "statement_timestamp() > '2026-01-01' and count(*) >=",
			`"statement_timestamp"`},
		{"random()", "count(*) >=", "random() > 0.5 and count(*) >=", `"random("`},
		{"behind a dollar quote", "count(*) >=", "$a$'$a$ = '' or now() > '' and count(*) >=", "quotes with"},
		{"behind an escape string", "count(*) >=", `e'\'' = '' or now() > '' and count(*) >=`, "quotes with"},
		{"behind an identifier", "count(*) >=", `"a'" = now() or "b'" = 1 and count(*) >=`, "quotes with"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(goodRule, test.old, test.new, 1)
			if text == goodRule {
				t.Fatal("nothing was replaced")
			}
			_, err := review.ParseRule(ruleID, []byte(text))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), ruleID) {
				t.Errorf("%v, want %q in it", err, test.want)
			}
		})
	}
}

// TestParseRuleReportsEverything: whoever writes a rule mends it in one go.
func TestParseRuleReportsEverything(t *testing.T) {
	text := strings.NewReplacer("version: 1", "version: 0", "kind: flag", "kind: flog", "a.batch > :from and ",
		"").Replace(goodRule)
	_, err := review.ParseRule(ruleID, []byte(text))
	for _, want := range []string{"version", "kind", ":from"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

func TestLoadRulesRefuses(t *testing.T) {
	tests := []struct{ name, rule, tests, want string }{
		{"no test file", goodRule, "-", "has no tests"},
		{"an empty list", goodRule, "tests: []\n", "there are 0, 0, 0, 0 and 0"},
		{"an empty file", goodRule, "", "there are 0, 0, 0, 0 and 0"},
		{"an unknown key", goodRule, strings.Replace(goodTests, "name: finds,", "name: finds, rows: 1,", 1), "rows"},
		{"nothing found", goodRule, strings.Replace(goodTests, "[{tenant: cedar, actor: casey, evidence: 1}]", "[]", 1),
			"there are 0, 2, 1, 1 and 1"},
		{"one false positive", goodRule, strings.Replace(goodTests, "false positive: b", "something else", 1),
			"there are 1, 1, 1, 1 and 1"},
		{"a false positive of no rule", goodRule, strings.Replace(goodTests, "false positive: b", "false positive: c",
			1), "not one that the rule's head names"},
		{"no isolation", goodRule, strings.Replace(goodTests, "tenant isolation: x", "another", 1),
			"there are 1, 2, 0, 1 and 1"},
		{"a late event that is not late", goodRule, strings.Replace(goodTests, ", late: true", "", 1),
			"there are 1, 2, 1, 1 and 0"},
		{"two of one name", goodRule, strings.Replace(goodTests, "tenant isolation: x", "finds", 1), `"finds"`},
		{"no events", goodRule, strings.Replace(goodTests, "name: finds, events: [{user: casey, at: -1m}]",
			"name: finds, events: []", 1), `"finds"`},
		{"a bad rule", strings.Replace(goodRule, "tier: B", "tier: D", 1), goodTests, "tier is"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := fstest.MapFS{ruleID + ".sql": {Data: []byte(test.rule)}}
			if test.tests != "-" {
				dir[ruleID+".test.yaml"] = &fstest.MapFile{Data: []byte(test.tests)}
			}
			if _, err := review.LoadRules(dir); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q in it", err, test.want)
			}
		})
	}
	good := fstest.MapFS{ruleID + ".sql": {Data: []byte(goodRule)}, ruleID + ".test.yaml": {Data: []byte(goodTests)}}
	if _, err := review.LoadRules(good); err != nil {
		t.Errorf("the one that all the others are made from: %v", err)
	}
	if _, err := review.LoadRules(fstest.MapFS{}); err == nil {
		t.Error("a directory without rules loads")
	}
}

// FuzzParseRule: whatever the text, what is accepted keeps the promises that Run rests on.
func FuzzParseRule(f *testing.F) {
	f.Add([]byte(goodRule))
	f.Add([]byte("/*---\nid: T01-test\n---*/\nselect :from, :to"))
	f.Add([]byte("/*---\n---*/\n"))
	for _, r := range shipped(f) {
		f.Add([]byte(strings.Replace(goodRule, "select a.tenant_id", r.SQL, 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := review.ParseRule(ruleID, text)
		if err != nil {
			if r.ID != "" || r.SQL != "" || errors.Unwrap(err) == nil && !strings.Contains(err.Error(), ruleID) {
				t.Fatalf("a refused rule is returned, or not named: %v", err)
			}
			return
		}
		again, err := review.ParseRule(ruleID, text)
		if err != nil || again.SQL != r.SQL || again.Hash != r.Hash {
			t.Fatalf("a second time: %v", err)
		}
		if r.ID != ruleID || r.MaxNewPerRun <= 0 || r.Settle < 0 || len(r.Citations) == 0 ||
			!slices.Contains(r.Binds, "from") || !slices.Contains(r.Binds, "to") || r.Entity[0] != "tenant_id" {
			t.Fatalf("accepted: %+v", r)
		}
	})
}
