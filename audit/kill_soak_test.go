//go:build soak

package audit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/wardtest"
)

// writing inserts events of both clinics until it is stopped, some of them taken back.
func (l *ledger) writing(every time.Duration, then func() error) (stop func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	done := make(chan error, 1)
	go func() {
		conn, err := l.e.Super.Acquire(l.t.Context())
		if err != nil {
			done <- err
			return
		}
		defer conn.Release()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := 0; err == nil && ctx.Err() == nil; n++ {
			if n%10 == 0 {
				err = insert(l.t.Context(), conn, []uuid.UUID{l.cedar, l.harbor}[n/10%2], 100)
			} else {
				err = writeOddly(l.t.Context(), conn.Conn(), []uuid.UUID{l.cedar, l.harbor}[n%2], n%4)
			}
			if err == nil && then != nil {
				err = then()
			}
			<-tick.C
		}
		done <- err
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				l.t.Error(err)
			}
		})
	}
	l.t.Cleanup(stop)
	return stop
}

// TestKilledShippers: 200 shippers are killed while rows are sealed; one that is left alone then ships the rest, and
// every row is in the archive once.
func TestKilledShippers(t *testing.T) {
	h := newHarbour(t)
	h.now = time.Now()
	stop := h.writing(5*time.Millisecond,
		func() error { _, err := h.sealer.Seal(context.WithoutCancel(t.Context())); return err })
	leftovers, began := 0, 0
	for kill := range 200 {
		before := h.verify(h.store)
		cmd := h.process("ship")
		// from its start to well into its parts
		<-time.After(time.Duration(rand.Int64N(int64(400 * time.Millisecond))))
		h.kill(cmd)
		after := h.verify(h.store)
		if after.Verdict == archive.Invalid {
			t.Fatalf("kill %d: what is left is INVALID: %v", kill, after.Findings)
		}
		if after.Head.Size > before.Head.Size {
			began++
		}
		if finds(after, archive.Unfinished, "") {
			leftovers++
		}
	}
	stop()
	h.seal(h.sealer)
	h.ship()
	r := h.verify(h.store)
	h.valid(r)
	h.arrived(h.store)
	seen := map[int64]bool{}
	voids := 0
	for _, p := range r.Parts {
		if seen[p.Part] {
			t.Errorf("two parts have the number %d", p.Part)
		}
		seen[p.Part] = true
	}
	for _, n := range r.NotCovered {
		if len(n) > 0 {
			voids++
		}
	}
	t.Logf("%d rows in %d parts; %d of the killed had shipped, %d left something unfinished; %d remarks", r.Rows,
		len(r.Parts), began, leftovers, voids)
	if leftovers < 5 || began < 20 {
		t.Errorf("the kills did not meet the shipping: %d had shipped, %d left something unfinished", began, leftovers)
	}
}

// TestKilledSealers: 50 sealers are killed; another follows at once each time, beside one that is refused. Every event
// has one place in the end.
func TestKilledSealers(t *testing.T) {
	h := newHarbour(t)
	h.sealer.Close(t.Context())
	stop := h.writing(2*time.Millisecond, nil)
	sealedBy := 0
	for range 50 {
		batches := wardtest.One[int64](h.e, "select batch from audit.seal_state")
		one, other := h.process("seal"), h.process("seal") // would-be leaders both
		<-time.After(100*time.Millisecond + time.Duration(rand.Int64N(int64(300*time.Millisecond))))
		h.kill(one)
		<-time.After(time.Duration(rand.Int64N(int64(100 * time.Millisecond))))
		h.kill(other)
		if wardtest.One[int64](h.e, "select batch from audit.seal_state") > batches {
			sealedBy++
		}
	}
	stop()
	s := h.follow()
	h.seal(s)
	h.holds(wardtest.One[int](h.e, "select count(*) from audit.event"))
	if sealedBy < 25 {
		t.Errorf("only %d of 50 pairs had sealed", sealedBy)
	}
	t.Logf("%d rows, %d batches", wardtest.One[int](h.e, "select count(*) from audit.chain"),
		wardtest.One[int](h.e, "select max(batch) from audit.chain"))
}

// TestLargePart: a part of 2 million rows is shipped, read back and checked by a process that stays under a fixed size.
func TestLargePart(t *testing.T) {
	const rows, bound = 2_000_000, 512 << 20
	h := newHarbour(t)
	for range rows / 100_000 {
		h.insert(h.cedar, 100_000)
		h.sealAt(h.now)
	}
	begun := time.Now()
	cmd := h.process("ship once", fmt.Sprintf("TEST_NOW=%d", h.now.UnixMicro()))
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("no usage")
	}
	peak := usage.Maxrss << 10
	r := h.verify(h.store)
	h.valid(r)
	if r.Rows < rows || len(r.Parts) != 1 || peak > bound {
		t.Errorf("%d rows in %d parts, at most %d MiB resident", r.Rows, len(r.Parts), peak>>20)
	}
	t.Logf("%d rows shipped in %s, %.0f rows/s, %d bytes a row, at most %d MiB resident", r.Rows,
		took.Round(time.Second/10), float64(r.Rows)/took.Seconds(), r.Bytes/r.Rows, peak>>20)
}

// process starts this binary as a sealer or shipper of the harbour's.
func (h *harbour) process(what string, env ...string) *exec.Cmd {
	h.t.Helper()
	program, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.CommandContext(h.t.Context(), program, processArg, what)
	cmd.Env = append(os.Environ(), "TEST_DSN="+h.e.DB.DSN("ward_worker"), "TEST_STORE="+h.dir, "TEST_KEY="+h.key)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	return cmd
}

// kill ends a process that must still be working.
func (h *harbour) kill(cmd *exec.Cmd) {
	h.t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		h.t.Fatalf("kill: %v", err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		h.t.Fatalf("ended by itself: %v", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		h.t.Fatalf("ended by itself: %v", err)
	}
}
