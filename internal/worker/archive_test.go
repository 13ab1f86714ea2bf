package worker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

// TestPruneAndCompareByRequest: an administrator's request is carried out by the worker, and an auditor's comparison
// counts what is gone as pruned.
func TestPruneAndCompareByRequest(t *testing.T) {
	y := newYard(t)
	for _, sql := range []string{"select audit.ensure_month('2026-05-01')", "insert into audit.event (tenant_id, " +
		"actor_kind, action, recorded_at) select id, 'human', 'view', '2026-05-03Z' from tenancy.tenant"} {
		if _, err := y.e.Super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	y.start("one", nil)
	y.sql("the old month is shipped", "select exists (select from audit.event where action = 'ship')")
	root, ana := y.e.Reviewer("root"), y.e.Reviewer("ana")
	prune := func(dry, unlocked bool) audit.Pruned {
		t.Helper()
		event, err := audit.RequestPrune(t.Context(), root, "2026-05", "disk is full", dry, unlocked)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := audit.Await(t.Context(), root, event, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var done audit.Pruned
		if err := answer.Into(&done); err != nil {
			t.Fatal(err)
		}
		if (answer.State == audit.AnswerRefused) != (len(done.Refused) > 0) {
			t.Errorf("%s: %q", answer.State, done.Refused)
		}
		return done
	}
	if done := prune(false, false); len(done.Refused) != 1 || !strings.Contains(done.Refused[0], "--unlocked-store") {
		t.Errorf("without a lock: %+v", done)
	}
	if done := prune(true, true); len(done.Refused) > 0 || done.Rows != 3 || done.EventID != 0 {
		t.Errorf("a trial: %+v", done)
	}
	if done := prune(false, true); len(done.Refused) > 0 || done.Rows != 3 || done.EventID == 0 {
		t.Errorf("%+v", done)
	}
	if wardtest.One[bool](y.e, "select to_regclass('audit.event_2026_05') is not null") {
		t.Error("the month is still there")
	}
	report, err := audit.VerifyLive(t.Context(), ana, y.store,
		archive.VerifyOptions{Keys: []archive.Key{y.signer.Key()}}, time.Minute, nil)
	if err != nil || report.Verdict != archive.Valid || report.Live.Pruned != 3 || report.Live.Rows == 0 {
		t.Errorf("%+v, %v", report, err)
	}
}
