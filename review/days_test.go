package review_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// TestDayIsJudgedAgain: a rule that judges a day finds all of it again at each look that joins. While the anomaly is
// open that is more evidence of it; what comes after it was closed is one new anomaly that names the closed one; a run
// over what has been examined changes nothing.
func TestDayIsJudgedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []review.RuleTest{{Name: "a day"}})
	rules := shipped(t)
	a06 := &rules[slices.IndexFunc(rules, func(r review.Rule) bool { return strings.HasPrefix(r.ID, "A06-") })]
	w.register(a06)
	s := w.scenes[0]
	step := func(created, merged int, at ...string) {
		t.Helper()
		s.Events = nil
		for _, clock := range at {
			s.Events = append(s.Events, review.TestEvent{User: "svc-etl", Record: "own", At: "day-1 " + clock})
		}
		w.arrange(first)
		w.seal(w.Now)
		w.Now = w.Now.Add(time.Minute)
		if res := w.mustRun(a06); res.Created != created || res.Merged != merged {
			t.Errorf("after %s: %+v, want %d new and %d merged", at, res, created, merged)
		}
	}
	evidence := func() string {
		return wardtest.One[string](w.e, `select string_agg(a.state || ' ' || (select count(*) from review.evidence e
				where e.anomaly_id = a.id) || ' ' || (a.recurrence_of is not null)::text, ', ' order by a.created_at)
					from review.anomaly a`)
	}
	step(0, 0, "08:00:00", "09:00:00", "10:00:00", "11:00:00")
	step(1, 0, "12:00:00")
	step(0, 1, "13:00:00", "14:00:00")
	if got := evidence(); got != "new 7 false" {
		t.Errorf("a day in three runs: %s", got)
	}
	w.do(`update review.anomaly set state = 'closed', disposition = 'test_data', close_reason = 'known',
		closed_at = clock_timestamp(), closed_by = (select id from tenancy.users where slug = 'dana'),
		approved_by = (select id from tenancy.users where slug = 'eli')`)
	step(0, 0)
	step(1, 0, "15:00:00")
	step(0, 1, "16:00:00")
	const want = "closed 7 false, new 9 true"
	if got := evidence(); got != want {
		t.Errorf("after closing: %s, want %s", got, want)
	}
	w.do("update review.rule set cursor_batch = 0 where id = $1", a06.ID)
	if res := w.mustRun(a06); res.Created+res.Merged != 0 || res.Matched != 1 || evidence() != want {
		t.Errorf("all of it over again: %+v, %s", res, evidence())
	}
}
