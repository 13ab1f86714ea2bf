package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
)

// work runs a worker on the scene's store until the test ends.
func (s *scene) work() {
	s.t.Helper()
	store, err := archive.OpenDir(s.store)
	s.must(err)
	signer, err := archive.LoadSigner(s.signingKey())
	s.must(err)
	pool := s.Open("ward_worker").Pool()
	shipper := &audit.Shipper{Pool: pool, Store: store, Signer: signer, Origin: archive.Origin("test", wardtest.Region),
		Now: time.Now}
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- worker.Run(ctx, worker.Config{Pool: pool, Shipper: shipper, SealEvery: 20 * time.Millisecond,
			ShipEvery: 100 * time.Millisecond})
	}()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("worker: %v", err)
		}
	})
}

// TestPruneByCommand: an old month is refused where it cannot be relied on, then pruned; it is listed from the archive
// afterwards, and a comparison with the database is valid until somebody rewrites a row.
func TestPruneByCommand(t *testing.T) {
	s := newScene(t)
	s.exec("delete from review.rule") // no rule runs here, and none is to be waited for
	s.exec("select audit.ensure_month('2026-05-01')")
	s.exec(`insert into audit.event (tenant_id, user_id, actor_kind, action, recorded_at) select t.id, u.id, 'human',
			'view', '2026-05-03 10:00Z' from tenancy.tenant t, tenancy.users u where t.slug = 'cedar'
			and u.slug = 'carla'`)
	s.work()
	shipped := "select exists (select from audit.chain c join audit.event e on e.event_id = c.event_id " +
		"where e.recorded_at < '2026-06-01Z') and (select count(*) from audit.event where action = 'ship') > 2"
	for !wardtest.One[bool](s.Env, shipped) {
		s.must(t.Context().Err())
	}
	for _, user := range []string{"root", "dana", "ana"} {
		s.signIn(user)
	}
	prune := []string{"archive", "prune", "2026-05", "--reason", "six months are enough"}
	if got := s.ward(t.Context(), "root", "", prune...); got.code != exitProblem ||
		!strings.Contains(got.out, "was not pruned") || !strings.Contains(got.out, "--unlocked-store") {
		t.Fatalf("a store without locks: %s", got)
	}
	if got := s.ward(t.Context(), "dana", "", prune...); got.code != exitFailed || got.out != "" {
		t.Fatalf("a compliance officer: %s", got)
	}
	if got := s.ok("root",
		append(prune, "--unlocked-store", "--dry-run")...); !strings.Contains(got, "would be pruned: its 1 events") {
		t.Fatalf("a trial: %s", got)
	}
	var done audit.Pruned
	s.must(json.Unmarshal([]byte(s.ok("root", append(prune, "--unlocked-store", "--json")...)), &done))
	if done.Rows != 1 || done.EventID == 0 ||
		wardtest.One[bool](s.Env, "select to_regclass('audit.event_2026_05') is not null") {
		t.Fatalf("%+v", done)
	}
	var event audit.Event
	list := s.ok("dana", "audit", "list", "cedar", "--reason", "an old matter", "--from", "2026-05-01", "--to",
		"2026-06-01", "--json")
	s.must(json.Unmarshal([]byte(list), &event))
	if event.From != audit.FromArchive || event.Part == nil || *event.Actor != "carla" ||
		event.RecordedAt.UTC().Format(time.DateTime) != "2026-05-03 10:00:00" {
		t.Errorf("listed: %s", list)
	}
	if got := s.ok("dana", "audit", "list", "cedar", "--reason", "an old matter", "--limit",
		"5000"); !strings.HasSuffix(strings.TrimSpace(got), "archive") {
		t.Errorf("the oldest row is not the archive's: %s", got)
	}
	if got := s.ok("ana", "archive", "verify", "--live"); !strings.Contains(got, "1 rows are pruned") {
		t.Errorf("verified: %s", got)
	}
	for _, sql := range []string{"alter table audit.event disable trigger all",
		"update audit.event set outcome = 'denied' where event_id = " + s.shipped()} {
		s.exec(sql)
	}
	if got := s.ward(t.Context(), "ana", "", "archive", "verify", "--live"); got.code != exitProblem ||
		!strings.Contains(got.out, archive.LiveModified) || !strings.Contains(got.out, "outcome") {
		t.Errorf("after a row was rewritten: %s", got)
	}
	if got := s.ward(t.Context(), "ana", "", "archive", "verify", "--live", "--offline"); got.code != exitUsage {
		t.Errorf("offline: %s", got)
	}
}
