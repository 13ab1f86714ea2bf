package review_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// ownRule is a rule file as somebody of an installation drops it into its directory.
const ownRule = `/*---
id: X01-own
version: 1
title: an own one
status: test
tier: B
kind: flag
severity: medium
citations: ["164.308(a)(1)(ii)(D)"]
every: 1m
timeout: 2s
settle: 0s
entity: [tenant_id, actor_id]
params: {least: 1, word: "it's", share: 0.5}
false_positives: ["a: one", "b: two"]
max_new_per_run: 10
---*/
select a.tenant_id, a.user_id as actor_id, null::uuid as patient_id, min(a.at) as first_at,
  max(a.at) as last_at, max(u.slug) || ' looked, ' || :word || ' :from' as summary,
  jsonb_build_object('share', :share) as facts, array_agg(a.event_id) as event_ids
from review.staff_access a join tenancy.users u on u.id = a.user_id
where a.batch > :from and a.batch <= :to and a.at <= :now and EXTRA
group by 1, 2 having count(*) >= :least
`

func loadOwn(t *testing.T, text string) (review.Rule, error) {
	t.Helper()
	dir := fstest.MapFS{"X01-own.sql": {Data: []byte(text)}, "X01-own.test.yaml": {Data: []byte(goodTests)}}
	all, err := review.LoadOwn(dir, shipped(t))
	for _, r := range all {
		if r.ID == "X01-own" {
			return r, err
		}
	}
	return review.Rule{}, err
}

// TestOwnRule: a rule of the installation's own runs beside the shipped ones, with its parameters, as ward_rule.
func TestOwnRule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []review.RuleTest{{Name: "own"}})
	s := w.scenes[0]
	rule, err := loadOwn(t, strings.Replace(ownRule, "EXTRA", "current_user = 'ward_rule'", 1))
	if err != nil || !rule.Own {
		t.Fatalf("%+v, %v", rule, err)
	}
	w.register(&rule)
	s.views(2, "casey")
	if res := w.mustRun(&rule); res.Created != 1 {
		t.Fatalf("%+v", res)
	}
	if got := wardtest.One[string](w.e,
		"select a.summary || ' ' || a.facts::text || ' ' || r.own from review.anomaly a join review.rule r "+
			"on r.id = a.rule_id"); got != `casey-0 looked, it's :from {"share": 0.5} true` {
		t.Errorf("%q", got)
	}
}

// TestOwnRuleIsConfined attacks from within a rule's text: what the loader lets through, the database refuses.
func TestOwnRuleIsConfined(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []review.RuleTest{{Name: "own"}})
	s := w.scenes[0]
	good, err := loadOwn(t, strings.Replace(ownRule, "EXTRA", "true", 1))
	if err != nil {
		t.Fatal(err)
	}
	w.register(&good)
	s.views(2, "casey")
	for name, attack := range map[string]struct{ sql, loader, database string }{
		"records": {"exists (select from public.patients p where p.tenant_id = a.tenant_id)", "",
			"permission denied for table patients"},
		"disclosure views": {"exists (select from phi.patients p where p.tenant_id = a.tenant_id)", "",
			"permission denied for schema phi"},
		"keys": {"exists (select from tenancy.signing_key k)", "without", "permission denied"},
		"sessions": {"exists (select from tenancy.session x where x.tenant_id = a.tenant_id)", "",
			"permission denied for table session"},
		"names of people": {"exists (select from tenancy.users x where x.name <> '')", "",
			"permission denied for table users"},
		"events themselves": {"exists (select from audit.event x where x.tenant_id = a.tenant_id)", "",
			"permission denied for schema audit"},
		"the queue": {"exists (select from review.anomaly x where x.tenant_id = a.tenant_id)", "",
			"permission denied for table anomaly"},
		"notes": {"exists (select from review.note x where true)", "without",
			"permission denied for table note"},
		"writing": {"exists (with x as (update review.rule set cursor_batch = 0 returning 1) " +
			"select from x)", `"update"`, "not allowed in a non-volatile function|syntax|WITH"},
		"another role": {"set_config('role', 'ward_worker', true) <> ''", `"set_config"`,
			"a volatile function: set_config"},
		"no role": {"pg_catalog.set_config('role', 'none', false) <> ''", `"set_config"`,
			"a volatile function: set_config"},
		"a function that writes": {"audit.write_worker(null, 'ship', '{}') > 0", "",
			"a volatile function: write_worker|permission denied"},
		"sleeping": {"pg_sleep(60) is null", `"pg_sleep"`, "a volatile function: pg_sleep"},
		"sleeping, spelt apart": {"pg_catalog . pg_sleep /* quite */ (60) is null", `"pg_sleep"`,
			"a volatile function: pg_sleep"},
		"waking others": {"pg_notify('river_control', 'x') is null", "", "a volatile function: pg_notify"},
		"a lock":        {"pg_advisory_lock(1) is null", "", "a volatile function: pg_advisory_lock"},
		"a query in a text": {"query_to_xml('select 1', true, true, '') is not null", `"query_to_xml"`,
			"a volatile function: query_to_xml"},
		"files": {"pg_read_file('/etc/passwd') <> ''", `"pg_read_file"`,
			"a volatile function: pg_read_file"},
		"stopping others": {"pg_terminate_backend(1)", "", "a volatile function: pg_terminate_backend"},
		"chance":          {"random() > 2", `"random("`, "a volatile function: random"},
		"working for ever": {"(select count(*) from generate_series(1, 100000) x, generate_series(1, " +
			"100000) y) > 0", "", "statement timeout"},
		"a second statement": {"true group by 1, 2; drop table review.rule; select 1 where true", `";"`,
			"cannot open multi-query plan|syntax error"},
		"out of the parentheses": {"true group by 1, 2) answer union all select (select to_jsonb(k) from " +
			"tenancy.signing_key k limit 1) from (select 1, 2 where true", "without", "permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(ownRule, "EXTRA", attack.sql, 1)
			_, err := loadOwn(t, text)
			if attack.loader != "" && (err == nil || !strings.Contains(err.Error(), attack.loader)) {
				t.Errorf("the loader: %v, want %q in it", err, attack.loader)
			}
			w.do("update review.rule set cursor_batch = 0 where id = 'X01-own'")
			evil := good
			evil.SQL = strings.Replace(good.SQL, "a.at <= $3 and true", "a.at <= $3 and "+attack.sql, 1)
			if evil.SQL == good.SQL {
				t.Fatal("nothing was replaced")
			}
			_, err = review.Run(t.Context(), w.worker, &evil, w.Now, review.RunRequest{})
			stopped := false
			for _, want := range strings.Split(attack.database, "|") {
				stopped = stopped || err != nil && strings.Contains(err.Error(), want)
			}
			if !stopped {
				t.Errorf("the database: %v, want %q", err, attack.database)
			}
		})
	}
	if n := w.anomalies(); n != 0 ||
		wardtest.One[int](w.e, "select count(*) from review.rule where id = 'X01-own' and cursor_batch = 0") != 1 {
		t.Errorf("%d anomalies; or the cursor moved", n)
	}
	// and the one that all of these are made from finds something
	if res := w.mustRun(&good); res.Created != 1 {
		t.Errorf("%+v", res)
	}
}

// TestOwnRuleOverflows loudly: a million rows are read no further than the bound, nothing is kept, and the queue tells.
func TestOwnRuleOverflows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []review.RuleTest{{Name: "own"}})
	s := w.scenes[0]
	text := strings.Replace(ownRule, "EXTRA", "true", 1)
	text = strings.Replace(text, "join tenancy.users u on u.id = a.user_id",
		"join tenancy.users u on u.id = a.user_id cross join generate_series(1, 1000000) n", 1)
	rule, err := loadOwn(t, strings.Replace(strings.Replace(text, "group by 1, 2 having", "group by 1, 2, n having", 1),
		"timeout: 2s", "timeout: 2m", 1))
	if err != nil {
		t.Fatal(err)
	}
	w.register(&rule)
	s.views(1, "casey")
	begun := time.Now()
	_, err = review.Run(t.Context(), w.worker, &rule, w.Now, review.RunRequest{})
	if err == nil || !strings.Contains(err.Error(), "more than 10 matches") {
		t.Fatalf("%v after %s", err, time.Since(begun))
	}
	if got := wardtest.One[string](w.e, "select string_agg(tier || ' ' || summary, ';') from review.anomaly"); got !=
		"S rule X01-own finds more than 10 at once: nothing of it was kept, and the rule stands still" {
		t.Errorf("in the queue: %q", got)
	}
}

// TestLoadOwnRefuses what would stand in for one of ward's own.
func TestLoadOwnRefuses(t *testing.T) {
	t.Parallel()
	good := strings.Replace(ownRule, "EXTRA", "true", 1)
	for want, text := range map[string]string{
		"a watch is ward's own": strings.NewReplacer("kind: flag", "kind: watch", "[tenant_id, actor_id]",
			"[tenant_id, what]").Replace(good),
		"neither a number": strings.Replace(good, "least: 1", "least: [1]", 1),
		"have one uuid": strings.Replace(good, "version: 1",
			fmt.Sprintf("version: 1\nuuid: %s", shipped(t)[0].UUID), 1),
		"a comment within a comment": strings.Replace(good, "select a.tenant_id",
			"/* /* */ ' */ /* ' */ select a.tenant_id", 1),
		"without x.tenant_id": strings.Replace(good, "a.at <= :now and",
			"a.at <= :now and exists (select from tenancy.relationship x where x.patient_id = a.patient_id) and", 1),
	} {
		if _, err := loadOwn(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	dir := fstest.MapFS{"B01-no-treatment-relationship.sql": {Data: []byte(strings.Replace(good, "X01-own",
		"B01-no-treatment-relationship", 1))}, "B01-no-treatment-relationship.test.yaml": {Data: []byte(goodTests)}}
	if _, err := review.LoadOwn(dir, shipped(t)); err == nil || !strings.Contains(err.Error(), "one of ward's") {
		t.Errorf("a rule that takes the place of a shipped one: %v", err)
	}
}
