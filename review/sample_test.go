package review_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// TestTheSampleGrowsWithTheWeeks: ten of each week, however many weeks a run has to make up for; and what is drawn once
// is drawn again.
func TestTheSampleGrowsWithTheWeeks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []review.RuleTest{{Name: "sample"}})
	s := w.scenes[0]
	rule := shipped(t)[slices.IndexFunc(shipped(t), func(r review.Rule) bool { return r.ID == "S01-random-sample" })]
	w.register(&rule)
	for _, day := range []int{-20, -19, -6} { // the first two are of one week, the third of the third
		s.Events = []review.TestEvent{{User: "casey", Record: "p", Times: 40, At: "-1h"}}
		w.arrange(first)
		w.seal(w.Now.AddDate(0, 0, day))
	}
	drawn := func() string {
		return wardtest.One[string](w.e,
			"select string_agg(event_id::text, ' ' order by event_id) from review.evidence")
	}
	res := w.mustRun(&rule)
	first := drawn()
	if n := wardtest.One[int](w.e, "select count(*) from review.evidence"); n != 20 || res.Created != 1 {
		t.Errorf("%d accesses of 14 days drawn, %+v", n, res)
	}
	w.do("update review.rule set cursor_batch = 0")
	if again := w.mustRun(&rule); drawn() != first || again.Merged+again.Created != 0 {
		t.Errorf("a second draw differs: %+v", again)
	}
	// a week is begun: a second more of it is ten more
	w.do("update review.rule set cursor_batch = 0")
	s.Events = []review.TestEvent{{User: "casey", Record: "p", At: "-1h"}}
	w.arrange(0)
	w.seal(w.Now.AddDate(0, 0, -6).Add(time.Second))
	w.mustRun(&rule)
	if n := wardtest.One[int](w.e, "select count(*) from review.evidence"); n < 30 || n > 50 {
		t.Errorf("%d drawn", n)
	}
}
