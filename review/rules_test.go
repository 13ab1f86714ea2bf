package review_test

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/queries"
	"github.com/ward-health/ward/review"
)

func shipped(t testing.TB) []review.Rule {
	t.Helper()
	rules, err := review.LoadRules(queries.Rules())
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func testsOf(t testing.TB, rule *review.Rule) []review.RuleTest {
	t.Helper()
	text, err := fs.ReadFile(queries.Rules(), rule.ID+".test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := review.ParseTests(rule, text)
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// TestRules runs every shipped rule's own cases, and then its mutants: a term of the rule that no case needs is a case that is missing.
func TestRules(t *testing.T) {
	for _, rule := range shipped(t) {
		t.Run(rule.ID, func(t *testing.T) {
			t.Parallel()
			if rule.Watches() {
				watched(t, &rule)
				return
			}
			w := newWorld(t, withSuppressed(&rule, testsOf(t, &rule)))
			w.do("update review.input set ready = true")
			mutants := mutantsOf(t, &rule)
			// what the rule reads of others' work
			var before []review.Rule
			for _, r := range shipped(t) {
				if r.Stage() < rule.Stage() && rule.ReadsExplained() {
					before = append(before, r)
				}
			}
			if err := review.Register(t.Context(), w.worker, append(before, rule)); err != nil {
				t.Fatal(err)
			}
			look := func() {
				for i := range before {
					w.mustRun(&before[i])
				}
				w.runTwice(&rule)
				w.evaluate(mutants)
			}
			w.suppress(&rule)
			settled := w.now.Add(-time.Duration(rule.Settle))
			w.arrange(first)
			w.seal(settled.Add(-2 * time.Hour))
			w.tamper()
			look()
			w.arrange(late)
			w.seal(settled)
			w.arrange(unsettled)
			w.seal(settled.Add(time.Microsecond))
			look()

			found := w.found(t, &rule)
			for _, s := range w.scenes {
				t.Run(s.Name, func(t *testing.T) {
					if wrong := s.compare(found); wrong != "" {
						t.Error(wrong)
					}
				})
			}
			w.report(t, rule.ID, mutants)
		})
	}
}

// suppressed begins the name of a case that stands beside its like: what the rule finds in it is suppressed, and recorded all the same.
const suppressed = "suppressed: "

// withSuppressed adds such a case, the first that finds something about somebody once more: a suppression names a person or a patient.
func withSuppressed(rule *review.Rule, tests []review.RuleTest) []review.RuleTest {
	for _, c := range tests {
		if len(c.Expect) > 0 && c.Expect[0].Actor+c.Expect[0].Patient != "" && !rule.Explains() {
			c.Name = suppressed + c.Name
			return append(tests, c)
		}
	}
	return tests
}

// suppress has two people suppress what the rule finds in that case.
func (w *world) suppress(rule *review.Rule) {
	w.t.Helper()
	for _, s := range w.scenes {
		if !strings.HasPrefix(s.Name, suppressed) {
			continue
		}
		for _, x := range s.Expect {
			about := s.about(x)
			id := wardtest.One[uuid.UUID](w.e, `insert into review.suppression (rule_id, tier, tenant_id, actor_id, patient_id, reason, ticket, created_by, starts_at, expires_at, event_id)
				select $1, $2, $3, nullif($4, $6::uuid), nullif($5, $6::uuid), 'a test', 'T-1', u.id, clock_timestamp(), clock_timestamp() + interval '7 days' - interval '1 second', 0 from tenancy.users u where u.slug = 'root' returning id`,
				rule.ID, rule.Tier, about.tenant, about.actor, about.patient, uuid.Nil)
			w.do("update review.suppression set approved_by = u.id, approved_at = clock_timestamp() from tenancy.users u where u.slug = 'eli' and review.suppression.id = $1", id)
		}
	}
}

// runTwice runs the rule as its schedule does, once more, and once more over the same batches: only the first time may anything change.
func (w *world) runTwice(rule *review.Rule) {
	w.t.Helper()
	run := func() review.Result {
		r, err := review.Run(w.t.Context(), w.worker, rule, w.now, review.RunRequest{})
		if err != nil {
			w.t.Fatal(err)
		}
		return r
	}
	done := run()
	cursor := done.ToBatch
	if cursor == done.FromBatch || done.Created+done.Merged+done.Suppressed == 0 {
		w.t.Fatalf("the rule examined or found nothing: %+v", done)
	}
	before := w.everything()
	if again := run(); again.Created+again.Merged+again.Suppressed+again.Matched != 0 || again.FromBatch != cursor || again.ToBatch != cursor {
		w.t.Errorf("the second run: %+v", again)
	}
	w.do("update review.rule set cursor_batch = $2 where id = $1", rule.ID, done.FromBatch)
	if again := run(); again.Created+again.Merged+again.Suppressed != 0 || again.Matched != done.Matched || again.ToBatch != cursor {
		w.t.Errorf("the run over the same batches: %+v", again)
	}
	if w.everything() != before {
		w.t.Error("a run over what was examined already changed anomalies or evidence")
	}
}

// everything is the queue and its evidence as one text.
func (w *world) everything() string {
	w.t.Helper()
	return wardtest.One[string](w.e, `select coalesce(string_agg(to_jsonb(a)::text, '|' order by a.id), '') from review.anomaly a`) +
		wardtest.One[string](w.e, `select coalesce(string_agg(to_jsonb(e)::text, '|' order by e.anomaly_id, e.event_id), '') from review.evidence e`) +
		wardtest.One[string](w.e, `select coalesce(string_agg(to_jsonb(e)::text, '|' order by e.event_id, e.filter), '') from review.explanation e`)
}

// who is what an anomaly is about.
type who struct{ tenant, actor, patient uuid.UUID } // no actor, or none of the patient's: nil

// finding is what was found about somebody.
type finding struct {
	summaries []string
	events    map[int64]bool
	wrong     string
	state     string
}

// found reads the queue.
func (w *world) found(t *testing.T, rule *review.Rule) map[who]*finding {
	t.Helper()
	if rule.Explains() {
		return w.explained(t, rule)
	}
	rows, err := w.e.Super.Query(t.Context(), `select a.tenant_id, coalesce(a.actor_id, $1), coalesce(a.subject_id, $1), a.summary, a.state, array_agg(e.event_id), bool_and(v.tenant_id = a.tenant_id)
		from review.anomaly a join review.evidence e on e.anomaly_id = a.id join audit.event v using (event_id) group by a.id`, uuid.Nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := map[who]*finding{}
	for rows.Next() {
		var (
			about          who
			summary, state string
			events         []int64
			own            bool
		)
		if err := rows.Scan(&about.tenant, &about.actor, &about.patient, &summary, &state, &events, &own); err != nil {
			t.Fatal(err)
		}
		if found[about] != nil || !own {
			t.Errorf("a second anomaly, one in state %s, or with another clinic's events (%t): %s", state, !own, summary)
		}
		found[about] = &finding{summaries: []string{summary}, events: map[int64]bool{}, state: state}
		for _, e := range events {
			found[about].events[e] = true
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// about is who an expected anomaly is about.
func (s *scene) about(x review.TestAnomaly) who {
	about := who{tenant: s.tenant(x.Tenant)}
	if x.Actor != "" {
		about.actor = s.user(x.Actor)
	}
	if x.Patient != "" {
		about.patient = s.id(x.Patient)
	}
	return about
}

// explained reads what a filter explained.
func (w *world) explained(t *testing.T, rule *review.Rule) map[who]*finding {
	t.Helper()
	rows, err := w.e.Super.Query(t.Context(), `select x.tenant_id, x.user_id, x.reason, x.event_id from review.explanation x join audit.event v using (event_id, tenant_id, user_id) where x.filter = $1`, rule.ID)
	if err != nil {
		t.Fatal(err)
	}
	found := map[who]*finding{}
	var (
		about  who
		reason string
		event  int64
	)
	if _, err := pgx.ForEachRow(rows, []any{&about.tenant, &about.actor, &reason, &event}, func() error {
		add(found, about, reason, event)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func add(found map[who]*finding, about who, summary string, events ...int64) {
	if found[about] == nil {
		found[about] = &finding{events: map[int64]bool{}}
	}
	f := found[about]
	f.summaries = append(f.summaries, summary)
	slices.Sort(events)
	if len(slices.Compact(slices.Clone(events))) != len(events) {
		f.wrong = "an event is named twice"
	}
	for _, e := range events {
		f.events[e] = true
	}
}

// compare says what is wrong with what was found about a case's people.
func (s *scene) compare(found map[who]*finding) string {
	var wrong []string
	expected := map[who]bool{}
	for _, x := range s.Expect {
		about := s.about(x)
		expected[about] = true
		f := found[about]
		if f == nil {
			wrong = append(wrong, fmt.Sprintf("nothing about %s at %s", x.Actor, x.Tenant))
			continue
		}
		if len(f.events) != x.Evidence {
			wrong = append(wrong, fmt.Sprintf("about %s at %s: evidence %d, want %d", x.Actor, x.Tenant, len(f.events), x.Evidence))
		}
		if !slices.ContainsFunc(f.summaries, func(summary string) bool {
			return (x.Actor == "" || strings.HasPrefix(summary, x.Actor+"-") || !strings.Contains(summary, " ")) && strings.Contains(summary, s.expand(x.Summary))
		}) {
			wrong = append(wrong, fmt.Sprintf("about %s at %s: %q, want %q in it", x.Actor, x.Tenant, f.summaries, x.Summary))
		}
		if want := map[bool]string{true: "suppressed", false: "new"}[strings.HasPrefix(s.Name, suppressed)]; f.state != "" && f.state != want {
			wrong = append(wrong, fmt.Sprintf("about %s at %s: %s, want %s", x.Actor, x.Tenant, f.state, want))
		}
		if f.wrong != "" {
			wrong = append(wrong, f.wrong)
		}
	}
	tenants := slices.Collect(maps.Values(s.tenants))
	for about, f := range found {
		if slices.Contains(tenants, about.tenant) && !expected[about] {
			wrong = append(wrong, fmt.Sprintf("unexpected: %q, evidence %d", f.summaries, len(f.events)))
		}
	}
	slices.Sort(wrong)
	return strings.Join(wrong, "; ")
}
