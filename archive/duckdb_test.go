//go:build long

package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/ward-health/ward/internal/needs"
)

// checked is what docs/check_archive.sql finds.
type checked struct {
	Rows, Tenants, Modified, Missing int64
}

// secondEngine builds the DuckDB program and returns a function that runs the documented SQL over a store.
func secondEngine(t testing.TB) func(dir string) checked {
	t.Helper()
	needs.Program(t, "gcc")
	needs.Program(t, "g++")
	program := filepath.Join(t.TempDir(), "duckdb")
	for _, args := range [][]string{{"vet", "."}, {"build", "-o", program, "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = "../testdata/duckdb"
		needs.Given(t, program, needs.Build(t.Context(), cmd, "github.com/duckdb/duckdb-go/v2"))
	}
	return func(dir string) checked {
		t.Helper()
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, dir, "../docs/check_archive.sql")
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("duckdb: %v\n%s", err, errs.Bytes())
		}
		var c checked
		if err := json.Unmarshal(out.Bytes(), &c); err != nil {
			t.Fatalf("%s: %v", out.Bytes(), err)
		}
		return c
	}
}

// The SQL of the documentation, in an engine that knows nothing of ward, comes to the same hashes, and finds what was
// changed.
func TestSecondEngine(t *testing.T) {
	check := secondEngine(t)
	if got, want := check("../testdata/archive/golden"), (checked{Rows: 116, Tenants: 3}); got != want {
		t.Fatalf("golden archive: %+v, want %+v", got, want)
	}
	const part = "v1/region=eu/month=2026-01/part-000001.parquet"
	for name, c := range map[string]struct {
		change func([]Row) []Row
		want   checked
	}{
		"a changed outcome": {func(r []Row) []Row { r[7].Outcome = "denied"; return r }, checked{116, 3, 1, 0}},
		"NULL made empty":   {func(r []Row) []Row { r[3].Detail = ptr(""); return r }, checked{116, 3, 1, 0}},
		"a changed nonce":   {func(r []Row) []Row { r[7].Nonce[0]++; return r }, checked{116, 3, 1, 0}},
		"a row hashed anew": {func(r []Row) []Row {
			r[7].Action = "export"
			r[7].Hash = RowHash(r[6].Hash, &r[7])
			return r
		}, checked{116, 3, 1, 0}},
		"a removed row": {func(r []Row) []Row { return slices.Delete(r, 7, 8) }, checked{115, 3, 1, 1}},
		"two rows in exchange": {func(r []Row) []Row { r[7].Seq, r[8].Seq = r[8].Seq, r[7].Seq; return r },
			checked{116, 3, 3, 0}},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("../testdata/archive/golden")); err != nil {
			t.Fatal(err)
		}
		rows := must(parquet.ReadFile[Row](filepath.Join(dir, part)))(t)
		file := filepath.Join(dir, part)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := parquet.WriteFile(file, c.change(rows)); err != nil {
			t.Fatal(err)
		}
		if got := check(dir); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
