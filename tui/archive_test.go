package tui

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/internal/wardtest"
)

// newArchiveDir ships two parts of one clinic into a directory, and returns it with the public key.
func newArchiveDir(t testing.TB) (dir, key string) {
	t.Helper()
	dir = t.TempDir()
	store, err := archive.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, fill(t, store)
}

// fill ships two parts of one clinic, and returns the public key.
func fill(t testing.TB, store archive.Store) (key string) {
	t.Helper()
	origin := archive.Origin("test", wardtest.Region)
	private, public, err := archive.GenerateKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := archive.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	log, err := archive.OpenLog(t.Context(), store, wardtest.Region, origin, signer)
	if err != nil {
		t.Fatal(err)
	}
	const tenant = "0a000000-0000-4000-8000-000000000001"
	prev, seq := archive.Genesis(tenant), int64(0)
	for _, month := range []string{"2026-04", "2026-05"} {
		at, err := time.Parse("2006-01", month)
		if err != nil {
			t.Fatal(err)
		}
		rows := make([]archive.Row, 20)
		for i := range rows {
			seq++
			r := &rows[i]
			*r = archive.Row{TenantID: tenant, Seq: seq, SealedAt: at.UnixMicro() + seq, EventID: seq,
				RecordedAt: at.UnixMicro() + seq, ActorKind: "human", Action: "view", Outcome: "ok", Source: "test"}
			r.Hash = archive.RowHash(prev, r)
			prev = r.Hash
		}
		if _, err := log.Append(t.Context(), month, rowSeq(rows), time.Now().AddDate(6, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	return public
}

func rowSeq(rows []archive.Row) iter.Seq2[*archive.Row, error] {
	return func(yield func(*archive.Row, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

func newArchive(t testing.TB) (archive.Store, string) {
	t.Helper()
	dir, key := newArchiveDir(t)
	store, err := archive.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return store, key
}

// spoil changes one byte of the first part.
func spoil(t testing.TB, dir string) {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(dir, "v1", "region=*", "month=2026-04", "*.parquet"))
	if err != nil || len(parts) != 1 {
		t.Fatalf("parts of 2026-04: %v, %v", parts, err)
	}
	data, err := os.ReadFile(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Chmod(parts[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(parts[0], data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// stuckStore opens no part until its context ends.
type stuckStore struct{ archive.Store }

func (s stuckStore) Open(ctx context.Context, path string) (archive.Blob, error) {
	if filepath.Ext(path) == ".parquet" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.Open(ctx, path)
}

// settleQuietly is settle for a goroutine that is not the test's.
func settleQuietly(m *model, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			settleQuietly(m, c)
		}
	case nil:
	default:
		_, next := m.Update(msg)
		settleQuietly(m, next)
	}
}
