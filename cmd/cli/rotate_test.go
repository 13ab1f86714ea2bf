package cli

import (
	"bytes"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ward-health/ward/archive"
)

// TestExpectHeadAfterRotation: an auditor has one of a log's keys; the head that they bring, or that is remembered, may
// be signed by another. It counts all the same, and a log that is cut back behind it is found out.
func TestExpectHeadAfterRotation(t *testing.T) {
	dir := t.TempDir()
	store, err := archive.CreateDir(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	origin, tenant := archive.Origin("test", "eu"), "0a000000-0000-4000-8000-000000000001"
	var signers []*archive.Signer
	prev, seq := archive.Genesis(tenant), int64(0)
	for range 2 {
		text, _, err := archive.GenerateKey(origin)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := archive.NewSigner(text)
		if err != nil {
			t.Fatal(err)
		}
		log, err := archive.OpenLog(t.Context(), store, "eu", origin, signer, signers...)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, signer)
		for range 2 {
			seq++
			row := archive.Row{TenantID: tenant, Seq: seq, SealedAt: time.Date(2026, 1, 2, 0, 0, 0, 0,
				time.UTC).UnixMicro(), EventID: seq, ActorKind: "human", Action: "view", Outcome: "ok", Source: "ward"}
			row.Hash = archive.RowHash(prev, &row)
			prev = row.Hash
			rows := iter.Seq2[*archive.Row, error](func(yield func(*archive.Row, error) bool) { yield(&row, nil) })
			if _, err := log.Append(t.Context(), "2026-01", rows, time.Now().AddDate(7, 0, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	head := func(n string) string { return filepath.Join(dir, "store/v1/region=eu/checkpoints/00000000000"+n) }
	verify := func(store, key string, args ...string) (int, string) {
		var out bytes.Buffer
		env := &Env{In: strings.NewReader(""), Out: &out, Err: &out, Now: time.Now,
			Terminal: func() bool { return false },
			Getenv: func(k string) string {
				return map[string]string{"HOME": dir, "XDG_STATE_HOME": filepath.Join(dir, "state"),
					"WARD_CONFIG": os.DevNull}[k]
			}}
		args = append([]string{"archive", "verify", "--offline", "--store", store, "--key", key, "--report",
			filepath.Join(t.TempDir(), "report")}, args...)
		return run(t.Context(), args, env), out.String()
	}
	cut := filepath.Join(dir, "cut")
	if err := os.CopyFS(cut, os.DirFS(filepath.Join(dir, "store"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"checkpoints/000000000004", "month=2026-01/part-000004.parquet",
		"month=2026-01/part-000004.manifest.json"} {
		if err := os.Remove(filepath.Join(cut, "v1/region=eu", name)); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range signers {
		for _, n := range []string{"1", "2", "3", "4"} {
			if code, out := verify(store.String()[len("dir:"):], s.Key().Text, "--no-state", "--strict",
				"--expect-head", head(n)); code != exitOK {
				t.Errorf("key %d, head %s: exit %d\n%s", i, n, code, out)
			}
		}
		if code, out := verify(cut, s.Key().Text, "--no-state", "--expect-head", head("4")); code != exitProblem ||
			!strings.Contains(out, archive.RolledBack) {
			t.Errorf("key %d, cut: exit %d\n%s", i, code, out)
		}
		// remembered is a head under the second key; the older one that is brought does not take its place
		if code, out := verify(store.String()[len("dir:"):], s.Key().Text); code != exitOK {
			t.Errorf("key %d, first: exit %d\n%s", i, code, out)
		}
		if code, out := verify(cut, s.Key().Text, "--expect-head", head("1")); code != exitProblem ||
			!strings.Contains(out, archive.RolledBack) {
			t.Errorf("key %d, remembered: exit %d\n%s", i, code, out)
		}
	}
	stranger, _, err := archive.GenerateKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	other, err := archive.NewSigner(stranger)
	if err != nil {
		t.Fatal(err)
	}
	if code, out := verify(cut, other.Key().Text, "--no-state", "--expect-head", head("4")); code != exitProblem ||
		!strings.Contains(out, archive.UntrustedKey) {
		t.Errorf("a stranger's key: exit %d\n%s", code, out)
	}
}
