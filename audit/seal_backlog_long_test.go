//go:build long

package audit_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ward-health/ward/internal/wardtest"
)

// One transaction that wrote 200,000 events is one batch, as a backlog of any size is, and takes no more memory than a
// small one. By itself, since memory is the process's.
func TestSealingABacklogTakesNoMemory(t *testing.T) {
	e := wardtest.New(t)
	l := &ledger{t: t, e: e, pool: e.Open("ward_worker").Pool(), cedar: e.TenantID("cedar"),
		harbor: e.TenantID("harbor")}
	s := l.lead()
	l.seal(s)
	const events = 200_000
	tx, err := e.Super.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []struct{ first, second int }{{events / 2, 0}, {0, events / 2}} {
		if err := insert(t.Context(), tx, l.cedar, tenant.first); err != nil {
			t.Fatal(err)
		}
		if err := insert(t.Context(), tx, l.harbor, tenant.second); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, peak := m.HeapAlloc, atomic.Uint64{}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapAlloc))
			}
		}
	}()
	done := l.seal(s)
	close(quit)
	<-gone
	if done.Rows < events {
		t.Fatalf("%d rows in the batch, want %d", done.Rows, events)
	}
	if grown := int64(peak.Load()) - int64(before); peak.Load() == 0 || grown > 40<<20 {
		t.Errorf("sealing %d events took %d MiB", done.Rows, grown>>20)
	} else {
		t.Logf("%d MiB", grown>>20)
	}
	if again := l.seal(s); again.Rows != 0 {
		t.Errorf("%d rows more", again.Rows)
	}
	if n := wardtest.One[int](e,
		"select count(distinct batch) from audit.chain where batch = (select max(batch) from audit.chain)"); n != 1 {
		t.Errorf("%d batches", n)
	}
	if rows, wrong := l.audit(); wrong != "" || rows < events {
		t.Errorf("%d rows, %s", rows, wrong)
	}
}
