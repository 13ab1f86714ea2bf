package review_test

import (
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// TestActivityIsCountedOnce: what people usually do is counted by batch, in the transaction of a run; a late event adds
// to its own day, a failed run to nothing, and a second look mends what somebody changed.
func TestActivityIsCountedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []review.RuleTest{{Name: "count"}})
	s := w.scenes[0]
	var c01 review.Rule
	for _, r := range shipped(t) {
		if r.ID == "C01-high-volume" {
			c01 = r
		}
	}
	w.register(&c01)
	add := func(record string, n int) {
		t.Helper()
		s.Events = []review.TestEvent{{User: "casey", Record: record, Times: n, At: "day-2 10:00:00"},
			{User: "casey", Record: record, Action: "export", Times: 1, At: "day-2 11:00:00"},
			{User: "pia", Record: "own", At: "day-2 10:00:00"}, {User: "svc-etl", Record: "p", At: "day-2 10:00:00"}}
		w.arrange(first)
		w.seal(w.Now)
	}
	type day struct {
		Patients, Accesses, Exports, At10, At11, Rows int
	}
	counted := func() (d day) {
		t.Helper()
		err := w.e.Super.QueryRow(t.Context(), `select coalesce(sum(patients), 0), coalesce(sum(accesses), 0),
				coalesce(sum(exports), 0), coalesce(sum(hours[11]), 0), coalesce(sum(hours[12]), 0), count(*)
				from review.activity`).
			Scan(&d.Patients, &d.Accesses, &d.Exports, &d.At10, &d.At11, &d.Rows)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := func(what string, d day) {
		t.Helper()
		if got := counted(); got != d {
			t.Errorf("%s: %+v, want %+v", what, got, d)
		}
	}
	add("p", 3)
	broken := c01
	broken.SQL += " limit 1 / ($1::bigint - $1::bigint)"
	if _, err := review.Run(t.Context(), w.worker, &broken, w.Now, review.RunRequest{}); err == nil {
		t.Fatalf("the broken rule ran: %v", err)
	}
	want("a run that failed", day{})
	w.mustRun(&c01)
	want("first", day{3, 4, 1, 3, 1, 1})
	w.do("update review.rule set cursor_batch = 0")
	w.mustRun(&c01)
	want("over the same batches", day{3, 4, 1, 3, 1, 1})
	add("p", 4) // three of them again, and one more: late
	w.mustRun(&c01)
	want("late", day{4, 9, 2, 7, 2, 1})

	w.do("update review.activity set patients = 1, hours = array_fill(7, array[24])")
	w.do("delete from review.activity_patient where accesses > 1")
	on := w.Now.Truncate(24*time.Hour).AddDate(0, 0, -2)
	for i, n := range []int64{1, 0} {
		if got := wardtest.One[int64](w.e, "select review.recount_activity($1::date - 1, $1::date + 1)", on); got != n {
			t.Errorf("look %d: %d days differed, want %d", i+2, got, n)
		}
	}
	want("mended", day{4, 9, 2, 7, 2, 1})
	if n := wardtest.One[int](w.e, "select count(*) from review.activity_patient"); n != 4 {
		t.Errorf("%d patients after the second look, want 4", n)
	}
}
