package review_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/review"
)

// TestLateRule: a rule that does not run becomes one item of the queue, in no clinic; the same lateness is not told
// twice, not even after it was closed; a new one joins the item that is open, or is a new item that names the closed
// one.
func TestLateRule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.seal(w.Now)
	rules := shipped(t)
	i := slices.IndexFunc(rules, func(r review.Rule) bool { return r.Watches() })
	s02 := rules[i]
	s02.Every = review.Duration(time.Millisecond)
	w.register(&s02)
	w.do("insert into review.rule (id, version, tier, severity, title, content_hash, front_matter, known_since, "+
		"kind) values ('X', 1, 'A', 'high', 't', 'h', '{\"every\": \"1h0m0s\"}', $1, 'flag')", w.Now.Add(-2*time.Hour))
	run := func(at time.Time, created, merged int) {
		t.Helper()
		w.seal(at) // or the runs' own events would be what stands still
		w.Now = at
		res := w.mustRun(&s02)
		if res.Created != created || res.Merged != merged {
			t.Errorf("at %s: %+v, want %d created and %d merged", at, res, created, merged)
		}
	}
	item := func() (out struct {
		What, Tenant, Summary string
		Version               int
		Recurs                bool
	}) {
		t.Helper()
		err := w.e.Super.QueryRow(t.Context(), `select a.facts ->> 'what', t.slug, a.summary, a.version,
			a.recurrence_of is not null from review.anomaly a join tenancy.tenant t on t.id = a.tenant_id
			where a.rule_id = 'S02-late-rule' order by a.created_at desc
				limit 1`).Scan(&out.What, &out.Tenant, &out.Summary, &out.Version, &out.Recurs)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	start := w.Now
	run(start, 1, 0)
	if got := item(); got.What != "X" || got.Tenant != "installation" || got.Recurs ||
		!strings.Contains(got.Summary, "has never run") {
		t.Errorf("%+v", got)
	}
	run(start.Add(time.Minute), 0, 0)
	succeed := func(at time.Time) {
		w.do("insert into review.run (run_id, rule_id, rule_version, content_hash, from_batch, to_batch, started_at, "+
			"finished_at, status) values ($1, 'X', 1, 'h', 0, 0, $2, $2, 'ok')", uuid.New(), at)
	}
	succeed(start.Add(2 * time.Minute))
	run(start.Add(3*time.Minute), 0, 0)
	run(start.Add(3*time.Hour), 0, 1)
	if got := item(); got.Version != 2 || !strings.Contains(got.Summary, "last ran at") {
		t.Errorf("late again while open: %+v", got)
	}
	w.do(`update review.anomaly set state = 'closed', disposition = 'test_data', closed_by = (select id
			from tenancy.users where slug = 'root'), close_reason = 'known'`)
	run(start.Add(3*time.Hour+time.Minute), 0, 0)
	succeed(start.Add(4 * time.Hour))
	run(start.Add(6*time.Hour), 1, 0)
	if got := item(); !got.Recurs {
		t.Errorf("late again after closing: %+v", got)
	}
	if n := wardtest.One[int](w.e, "select count(*) from review.anomaly where facts ->> 'what' like 'S0%'"); n != 0 {
		t.Errorf("%d items about the rule itself", n)
	}
}

// TestPeriods: many that try at once run a period once; what was missed is covered by the next run; a failed run takes
// no period.
func TestPeriods(t *testing.T) {
	t.Parallel()
	w, s, rule := newLedger(t)
	s.views(2, "casey")
	ctx := t.Context()
	end := w.Now.Truncate(time.Hour)
	try := func(r *review.Rule, end time.Time) error {
		_, err := review.Run(ctx, w.worker, r, w.Now, review.RunRequest{Period: &end})
		return err
	}
	results := make(chan error, 8)
	for range cap(results) {
		go func() { results <- try(rule, end) }()
	}
	ran := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			ran++
		case !errors.Is(err, review.ErrRan):
			t.Error(err)
		}
	}
	if n := wardtest.One[int](w.e, "select count(*) from review.run"); ran != 1 || n != 1 {
		t.Errorf("%d of 8 ran, %d in the ledger", ran, n)
	}
	if err := try(rule, end.Add(-time.Hour)); !errors.Is(err, review.ErrRan) {
		t.Errorf("a period before: %v", err)
	}
	bad := parse(t, strings.Replace(goodRule, "count(*) >=", "1 / (count(*) - count(*)) >=", 1))
	s.views(2, "casey")
	if err := try(bad, end.Add(time.Hour)); err == nil {
		t.Fatal("a broken rule ran")
	}
	if err := try(rule, end.Add(4*time.Hour)); err != nil {
		t.Error(err)
	}
	if _, err := review.Run(ctx, w.worker, rule, w.Now, review.RunRequest{}); err != nil {
		t.Error(err)
	}
	gaps := wardtest.One[string](w.e, `select string_agg(extract(epoch from period_end - period_start)::int / 60 || ' '
			|| status, ', ' order by period_end, status) from review.run where period_end is not null`)
	if want := time.Duration(rule.Every).Minutes(); gaps != fmt.Sprintf("%.0f ok, 60 error, 240 ok", want) {
		t.Errorf("periods in minutes: %s", gaps)
	}
	if n := wardtest.One[int](w.e, "select count(*) from review.run a join review.run b "+
		"on b.period_start = a.period_end where a.status = 'ok' and b.status = 'ok'"); n != 1 {
		t.Error("the second period does not begin where the first ended")
	}
	// the database alone refuses a period that has run
	_, err := w.worker.Exec(ctx, `insert into review.run (run_id, rule_id, rule_version, content_hash, from_batch,
		to_batch, started_at, status, period_start, period_end)
		select gen_random_uuid(), rule_id, 1, 'h', 0, 0, now(), 'ok', period_start, period_end from review.run
			where status = 'ok' and period_end is not null limit 1`)
	if err == nil || !strings.Contains(err.Error(), "run_period") {
		t.Errorf("a period twice in the ledger: %v", err)
	}
}

// TestStoppedRunLetsGo: a worker that stops in the middle of a run, its connection open, does not keep the rule for
// ever.
func TestStoppedRunLetsGo(t *testing.T) {
	t.Parallel()
	w, s, rule := newLedger(t)
	s.views(2, "casey")
	slow := parse(t, strings.Replace(goodRule, "'{}'::jsonb",
		"jsonb_build_object('x', current_setting('idle_in_transaction_session_timeout'))", 1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := review.Run(ctx, w.worker, slow, w.Now, review.RunRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := wardtest.One[string](w.e, "select facts ->> 'x' from review.anomaly"); got != "1min" {
		t.Errorf("within a run the server waits %q for a worker that says nothing", got)
	}
	_ = rule
}
