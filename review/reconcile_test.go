package review_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// TestSecondLook: what a rule should have found and did not is found the night after, once a night, and the cursor
// stays; what is older than the days that it looks at stays as it is.
func TestSecondLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []review.RuleTest{{Name: "night"}})
	s := w.scenes[0]
	rule := parse(t, strings.Replace(goodRule, "settle: 0s", "settle: 0s\nreconcile: 48h", 1))
	w.register(rule)
	night := w.Now.Truncate(24 * time.Hour)
	for i, at := range []time.Time{night.Add(-72 * time.Hour), night.Add(-24 * time.Hour)} { // one is too old
		s.Events = []review.TestEvent{{User: []string{"casey", "carla"}[i], Record: "p", Times: 2,
			At: at.Sub(w.Now).String()}}
		w.arrange(first)
		w.seal(at)
	}
	// it went past them, and found nothing
	w.do("update review.rule set cursor_batch = (select max(batch) from audit.chain)")
	if res := w.mustRun(rule); res.Matched != 0 {
		t.Fatalf("%+v", res)
	}
	cursor := w.cursor()
	rules := []review.Rule{*rule}
	out, err := review.Reconcile(t.Context(), w.worker, rules, w.Now)
	if err != nil || len(out.Runs) != 1 || out.Runs[0].Created != 1 || w.cursor() != cursor {
		t.Fatalf("%+v, %v, cursor %d, was %d", out, err, w.cursor(), cursor)
	}
	if who := wardtest.One[string](w.e, "select string_agg(u.slug, ',') from review.anomaly a join tenancy.users u "+
		"on u.id = a.actor_id"); who != "carla-0" {
		t.Errorf("found about %q", who)
	}
	if out, err = review.Reconcile(t.Context(), w.worker, rules, w.Now); err != nil || len(out.Runs) != 0 {
		t.Errorf("twice in a night: %+v, %v", out, err)
	}
	if _, err := review.Run(t.Context(), w.worker, rule, w.Now,
		review.RunRequest{Night: &night}); !errors.Is(err, review.ErrRan) {
		t.Error(err)
	}
	if out, err = review.Reconcile(t.Context(), w.worker, rules, w.Now.Add(24*time.Hour)); err != nil ||
		len(out.Runs) != 1 || out.Runs[0].Created+out.Runs[0].Merged != 0 {
		t.Errorf("the night after: %+v, %v", out, err)
	}
}

// TestRetire: a rule whose file is gone is late until somebody says that it is meant to be gone; one that a worker has
// is not retired.
func TestRetire(t *testing.T) {
	t.Parallel()
	w, _, rule := newLedger(t)
	root := w.e.Reviewer("root")
	if _, err := review.Retire(t.Context(), root, ruleID, "no longer needed"); err == nil ||
		!strings.Contains(err.Error(), "a worker has the file") {
		t.Errorf("a rule that is loaded: %v", err)
	}
	w.do("update review.rule set loaded_at = now() - interval '1 hour', known_since = now() - interval '1 day'")
	late := func() string {
		for _, r := range shipped(t) {
			if r.Watches() {
				s02 := r
				w.register(&s02)
				w.mustRun(&s02)
			}
		}
		return wardtest.One[string](w.e, "select coalesce(string_agg(summary, ';') filter (where state = 'new'), '') "+
			"from review.anomaly where facts ->> 'what' = '"+ruleID+"'")
	}
	if got := late(); !strings.Contains(got, "no worker has its file since") {
		t.Errorf("S02 tells %q", got)
	}
	if _, err := review.Retire(t.Context(), w.e.Reviewer("dana"), ruleID, "no longer needed"); err == nil {
		t.Error("a compliance officer retires rules")
	}
	event, err := review.Retire(t.Context(), root, ruleID, "no longer needed")
	if err != nil || event == 0 {
		t.Fatal(err)
	}
	w.do("update review.anomaly set state = 'closed', disposition = 'test_data', closed_by = (select id " +
		"from tenancy.users where slug = 'root'), close_reason = 'known'")
	if got := late(); got != "" {
		t.Errorf("a retired rule is late: %q", got)
	}
	if list, err := review.Enabled(t.Context(), w.worker, []review.Rule{*rule}); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	w.register(rule)
	if list, err := review.Enabled(t.Context(), w.worker, []review.Rule{*rule}); err != nil || len(list) != 1 {
		t.Errorf("its file is back: %v, %v", list, err)
	}
}
