package review_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// TestRunReadsNoHistory: a run looks up what is new, what it keeps and what a suppression says about it, and passes
// over nothing of what the clinic did before.
func TestRunReadsNoHistory(t *testing.T) {
	t.Parallel()
	w, s, rule := newLedger(t)
	s.views(3000, "casey", "carla")
	if res := w.mustRun(rule); res.Created != 2 {
		t.Fatalf("%+v", res)
	}
	got, err := review.Suppress(t.Context(), w.e.Reviewer("dana"), review.NewSuppression{Rule: ruleID,
		Tenant: "cedar-0", Actor: "carla-0", Action: "modify", Reason: "a recall", Ticket: "T-1", Days: 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := review.ApproveSuppression(t.Context(), w.e.Reviewer("eli"), got.ID.String(),
		"read the ticket"); err != nil {
		t.Fatal(err)
	}
	w.do("analyze")
	worker, err := pgxpool.New(t.Context(), w.e.DB.DSN("ward_worker"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Close)
	read := func() int {
		for _, conn := range worker.AcquireAllIdle(t.Context()) { // a backend says what it has read when told to
			if _, err := conn.Exec(t.Context(), "select pg_stat_force_next_flush()"); err != nil {
				t.Fatal(err)
			}
			conn.Release()
		}
		return wardtest.One[int](w.e, `select (sum(s.seq_tup_read) + sum(coalesce(s.idx_tup_fetch, 0)))::int
				from pg_stat_user_tables s where s.schemaname = 'audit'
					and (s.relname = 'chain' or s.relname like 'event%')`)
	}
	s.views(5, "casey", "carla")
	before := read()
	if res, err := review.Run(t.Context(), worker, rule, w.Now, review.RunRequest{}); err != nil || res.Merged != 2 ||
		res.Matched != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	if n := read() - before; n == 0 || n > 200 {
		t.Errorf("read %d rows of 6,000 to keep 10", n)
	}
}
