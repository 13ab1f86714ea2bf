//go:build long

package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/audit"
	"github.com/ward-health/ward/internal/wardtest"
)

// TestVerifierIsKilled: one of two workers is killed while it reads parts. The other one gets them, and the report has
// every part once.
func TestVerifierIsKilled(t *testing.T) {
	y := newYard(t)
	y.parts(8)
	dir := t.TempDir()
	key, mark := filepath.Join(dir, "key"), filepath.Join(dir, "reading")
	if err := archive.WriteSigner(key, y.key); err != nil {
		t.Fatal(err)
	}
	victim := y.process(childStore+"="+strings.TrimPrefix(y.store.String(), "dir:"), childKey+"="+key,
		childStall+"="+mark)
	defer kill(victim)
	y.sql("the victim works", "select exists (select from pg_stat_activity where usename = 'ward_worker' "+
		"and datname = current_database() and query like '%river%')")
	type ended struct {
		report *archive.Report
		err    error
	}
	done := make(chan ended, 1)
	ana := y.e.Reviewer("ana")
	go func() {
		r, err := audit.VerifyByWorkers(t.Context(), ana, y.store, y.opts(), time.Minute, nil)
		done <- ended{r, err}
	}()
	y.until("the victim reads", func() bool { _, err := os.Stat(mark); return err == nil })
	y.start("other", nil)
	y.sql("the other one has done the rest", "select count(*) = 6 from audit.part_check where outcome is not null")
	kill(victim)
	if n := wardtest.One[int](y.e,
		"select count(*) from audit.part_check where outcome is null and tries = 1"); n != 2 {
		t.Fatalf("the victim had %d parts", n)
	}
	by := <-done
	if by.err != nil {
		t.Fatal(by.err)
	}
	here, err := archive.NewVerification(y.store, y.opts()).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	y.alike(by.report, here)
	if by.report.Verdict != archive.Valid || len(by.report.Parts) != 8 {
		t.Errorf("%s, %d parts", by.report.Verdict, len(by.report.Parts))
	}
	if n := wardtest.One[int](y.e,
		"select count(*) from audit.part_check where outcome is not null and tries = 2"); n != 2 {
		t.Errorf("%d parts were handed out again", n)
	}
}
