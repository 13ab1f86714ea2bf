package tui

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
	"github.com/ward-health/ward/internal/worker"
)

// fullStore takes nothing more, so that a worker does not ship into what is being verified.
type fullStore struct{ archive.Store }

func (fullStore) Put(context.Context, string, io.Reader, int64, time.Time) error {
	return errors.New("the store is full")
}

// atParts shows the archive and does until the test ends what a worker does about parts that are handed out, with the
// worker's own function and role.
func (s *stage) atParts() {
	s.archive()
	ctx, stop := context.WithCancel(s.t.Context())
	pool, ended := s.e.Open("ward_worker").Pool(), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var id uuid.UUID
			var path string
			if err := s.e.Super.QueryRow(ctx, "select verification, path from audit.part_check "+
				"where outcome is null limit 1").Scan(&id, &path); err == nil {
				_ = audit.CheckPart(ctx, pool, s.store, id, path, "worker-1")
			}
		}
	}()
	s.t.Cleanup(func() { stop(); <-ended })
}

// From the key to the verdict with a worker and its jobs between: the month that the cursor is on, then everything; a
// changed file is found by them too.
func TestVerifyByWorkers(t *testing.T) {
	s, dir := stageOn(t)
	private, _, err := archive.GenerateKey(archive.Origin("test", wardtest.Region))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := archive.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		pool := s.e.Open("ward_worker").Pool()
		shipper := &audit.Shipper{Pool: pool, Store: fullStore{s.store}, Signer: signer,
			Origin: archive.Origin("test", wardtest.Region), Now: time.Now}
		ended <- worker.Run(ctx, worker.Config{Pool: pool, Shipper: shipper})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the worker ended with %v", err)
		}
	})
	s.archive()
	s.m.w = 160
	do(t, s.m, "w")
	mustShow(t, s.m, "✓ valid: 20 rows", "by the workers' word")
	do(t, s.m, "W")
	mustShow(t, s.m, "✓ valid: 40 rows")
	spoil(t, dir)
	do(t, s.m, "W")
	mustShow(t, s.m, "INVALID: 20 rows", "✕ FILE_MODIFIED")
	s.m = s.as("eli")
	s.archive()
	s.m.w = 160
	do(t, s.m, "enter")
	mustShow(t, s.m, "✓ valid", "dana, by the workers' word: nothing was changed")
	if got := wardtest.One[string](s.e,
		"select string_agg(verdict, ' ' order by started_at) from audit.verification"); got != "valid valid INVALID" {
		t.Errorf("recorded: %s", got)
	}
	if n := wardtest.One[int](s.e, "select count(*) from river.river_job where kind = 'verify_part'"); n != 5 {
		t.Errorf("%d jobs for 5 parts", n)
	}
}

// Where no worker is, the screen says so while it waits, and esc ends it as not proven.
func TestVerifyWithoutWorkers(t *testing.T) {
	s, _ := stageOn(t)
	s.archive()
	cmd := s.m.archive.start(s.m, target{workers: true})
	done := make(chan struct{})
	go func() { defer close(done); settleQuietly(s.m, cmd) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	run := s.m.archive.run
	for v := run.current.Load(); v == nil || v.Status().PartsOut != 2; v = run.current.Load() {
		select {
		case <-t.Context().Done():
			t.Fatal("the parts were never handed out")
		case <-tick.C:
		}
	}
	if got := s.m.archive.pace(); !strings.Contains(got,
		"verifying by workers · 0 of 2 parts · none at work: is ward worker running? · esc cancels") {
		t.Errorf("it says %q", got)
	}
	s.m.archive.verify.cancel()
	<-done
	if s.m.archive.running() || !strings.Contains(s.m.said, "cancelled after 0 of 2 parts") {
		t.Errorf("after esc it says %q", s.m.said)
	}
	if v := wardtest.One[string](s.e, "select verdict from audit.verification"); v != "not proven" {
		t.Errorf("recorded as %q", v)
	}
}

func TestWorkersPace(t *testing.T) {
	for want, st := range map[string]archive.Status{
		"":                         {},
		" · 3 at work, 37 waiting": {PartsOut: 40, PartsBusy: 3},
		" · 1 at work, 0 waiting":  {PartsOut: 1, PartsBusy: 1},
		" · none at work: is ward worker running?": {PartsOut: 1},
	} {
		if got := workersPace(st); got != want {
			t.Errorf("%+v: %q, want %q", st, got, want)
		}
	}
}
