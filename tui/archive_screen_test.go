package tui

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/archive/s3"
	"github.com/ward-health/ward/archive/s3/s3test"
	"github.com/ward-health/ward/internal/wardtest"
)

// stageOn is a stage on an archive in a directory of its own.
func stageOn(t *testing.T) (*stage, string) {
	t.Helper()
	dir, key := newArchiveDir(t)
	store, err := archive.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return newStage(t, wardtest.New(t), store, key), dir
}

// What a command remembered proves to the first verification on the screen that the log only grew, and the other way
// round; a tail that was cut since is seen.
func TestHeadsAreRemembered(t *testing.T) {
	s, dir := stageOn(t)
	key, err := archive.ParseKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "heads.json")
	fresh := func() *model {
		m := s.as("dana")
		m.archive = newArchiveScreen(archive.NewHeadMemory(file, key.Fingerprint()))
		m.screens[2] = m.archive
		settle(t, m, m.goTo(ScreenArchive))
		do(t, m, "V")
		return m
	}
	mustShow(t, fresh(), "✓ valid", "freshness not proven")
	mustShow(t, fresh(), "✓ valid", "the log only grew since it was last seen")
	command := archive.NewHeadMemory(file, key.Fingerprint())
	if heads, err := command.Load(); err != nil || len(heads) != 1 {
		t.Fatalf("what the screen remembers is not what the commands read: %q, %v", heads, err)
	}
	for _, pattern := range []string{"month=2026-05/part-000002.*", "checkpoints/000000000002"} {
		files, err := filepath.Glob(filepath.Join(dir, "v1", "region=*", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s, %v", pattern, err)
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := fresh()
	mustShow(t, m, "INVALID", archive.RolledBack)
	if heads, err := command.Load(); err != nil || !strings.Contains(string(heads[0]), "\n2\n") {
		t.Errorf("the longer head is forgotten: %q, %v", heads, err)
	}
}

// Months that are marked are verified in one run, others are not; the record keeps each month's own verdict.
func TestMarkedMonths(t *testing.T) {
	s, dir := stageOn(t)
	spoil(t, dir)
	s.archive()
	do(t, s.m, "m")
	mustShow(t, s.m, "+ 2026-05", "1 month marked")
	do(t, s.m, "j", "m", "k", "m", "m", "v")
	if got := wardtest.One[[]string](s.e,
		"select months from audit.verification"); fmt.Sprint(got) != "[2026-04 2026-05]" {
		t.Errorf("verified %v", got)
	}
	if len(s.m.archive.marked) != 0 {
		t.Errorf("still marked: %v", s.m.archive.marked)
	}
	for range 2 { // as it ended, and as the database has it
		month := func(i int) string { return s.m.archive.verdictOf(s.m, s.m.archive.months[i]) }
		if month(0) != "✓ valid" || !strings.HasPrefix(month(1), "✕ INVALID") {
			t.Errorf("verdicts %q, %q", month(0), month(1))
		}
		s.m = s.as("eli")
		s.archive()
	}
	do(t, s.m, "j", "enter")
	mustShow(t, s.m, "✕ INVALID", "kept in that run's report only", "part-000001")
}

// From a break down to the row, and back out level by level.
func TestDrillDown(t *testing.T) {
	s, dir := stageOn(t)
	spoil(t, dir)
	s.m.cfg.Diagnose = func(context.Context, *archive.Diagnosis) ([]archive.Finding, error) {
		return []archive.Finding{{Status: archive.RowModified, Tenant: "0a000000-0000-4000-8000-000000000001", Seq: 7,
			Expected: "aa", Found: "bb", Message: "another row \x1b[31m"}}, nil
	}
	s.archive()
	do(t, s.m, "d")
	mustShow(t, s.m, "verify it first")
	do(t, s.m, "V", "j", "enter")
	mustShow(t, s.m, "2026-04 · "+wardtest.Region, "✕ FILE_MODIFIED", "part-000001", readOnlyFiles)
	do(t, s.m, "d")
	mustShow(t, s.m, "✕ ROW_MODIFIED", "row #7")
	do(t, s.m, "j", "enter")
	mustShow(t, s.m, "Clinic        0a000000-0000-4000-8000-000000000001", "#7 of the clinic's chain",
		"Expected      aa", "Found         bb", "To do", "Means")
	if strings.Contains(screenText(s.m), "\x1b[31m") {
		t.Error("what a store says reaches the terminal as it is")
	}
	do(t, s.m, "esc")
	mustShow(t, s.m, "2026-04 · "+wardtest.Region)
	do(t, s.m, "esc")
	mustShow(t, s.m, "2026-05")
	do(t, s.m, "esc")
	mustShow(t, s.m, "q quits")
}

// An archive that cannot be listed can be verified: that is when it matters.
func TestDamagedArchive(t *testing.T) {
	s, dir := stageOn(t)
	files, err := filepath.Glob(filepath.Join(dir, "v1", "region=*", "month=2026-04", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	s.archive()
	mustShow(t, s.m, "could not be read", "V verifies it all the same")
	do(t, s.m, "V")
	mustShow(t, s.m, "PART_MISSING", "INVALID")
	do(t, s.m, "j", "enter")
	mustShow(t, s.m, "The signed log lists this part")
}

// farStore is one with locks, which counts how often it is asked for them.
type farStore struct {
	archive.Store
	asked atomic.Int64
}

func (f *farStore) Lock(context.Context, string) (archive.Lock, error) {
	f.asked.Add(1)
	return archive.Lock{Mode: archive.LockCompliance, Until: goldenNow().AddDate(6, 0, 0)}, nil
}
func (f *farStore) Extend(context.Context, string, time.Time) error { return nil }
func (f *farStore) Hold(context.Context, string, bool) error        { return nil }
func (f *farStore) String() string                                  { return "s3://far" }

// Of fifty years of months only those on the screen are asked about, each once.
func TestManyMonths(t *testing.T) {
	m := goldenModel(80, 24)
	far := &farStore{}
	m.cfg.Store, m.active = far, 2
	s := m.archive
	s.loaded = true
	for i := range 600 {
		month := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).AddDate(0, -i, 0).Format("2006-01")
		s.months = append(s.months, archive.MonthSummary{Region: "us-west", Month: month, Parts: 300, Rows: 1e7,
			Newest: "v1/region=us-west/month=" + month + "/part-000001.parquet"})
	}
	s.layout()
	settle(t, m, s.askLocks(m))
	mustShow(t, m, "2032-11-22")
	shown := int64(m.bodyHeight() - 1)
	if n := far.asked.Load(); n != shown {
		t.Errorf("%d locks asked for %d months on the screen", n, shown)
	}
	do(t, m, "G", "g", "G")
	mustShow(t, m, "1976-12")
	if n := far.asked.Load(); n != 2*shown {
		t.Errorf("%d locks asked for two screens of %d", n, shown)
	}
}

// On S3 the screen shows the locks that the store itself tells, of months and of parts, and verifies with them.
func TestArchiveOnS3(t *testing.T) {
	server := s3test.Start(t)
	if err := server.MakeBucket(t.Context(), "phi-audit"); err != nil {
		t.Fatal(err)
	}
	store, err := s3.Open("s3://phi-audit", server.Options())
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, wardtest.New(t), store, fill(t, store))
	s.m = s.as("dana")
	s.m.w, s.m.h = 120, 40
	s.archive()
	year := fmt.Sprint(time.Now().UTC().AddDate(6, 0, 0).Year())
	mustShow(t, s.m, "s3://phi-audit", "LOCKED UNTIL", "COMPLIANCE", year)
	do(t, s.m, "V")
	mustShow(t, s.m, "✓ valid: 40 rows")
	do(t, s.m, "enter")
	mustShow(t, s.m, "2026-05 · "+wardtest.Region, "part-000002", "COMPLIANCE", year)
	if strings.Contains(screenText(s.m), "…  ") {
		t.Errorf("a lock was not asked for:\n%s", screenText(s.m))
	}
}

// A verification shows that it goes on: by how much has been read, and until that is known by a sign that turns.
func TestProgressIsSeen(t *testing.T) {
	for part, want := range map[float64]string{
		0: "░░░░░░░░░░   0 %", 0.5: "█████░░░░░  50 %",
		1: "██████████ 100 %",
	} {
		if got := newBar().ViewAs(part); got != want {
			t.Errorf("%q, want %q, without colours of its own", got, want)
		}
	}
	m := goldenVerifying(80, 24)
	seen := map[string]bool{}
	for range 8 {
		seen[m.archive.progress()] = true
		m.Update(progressMsg{m.archive.run})
	}
	if len(seen) != 4 {
		t.Errorf("it turns through %d signs: %v", len(seen), seen)
	}
}
