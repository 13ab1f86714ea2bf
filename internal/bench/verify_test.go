//go:build soak

package bench

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ward-health/ward/internal/needs"
)

// The benchmark runs, at its quick size, and says what it measured.
func TestVerify(t *testing.T) {
	needs.Program(t, "gcc") // DuckDB's side
	needs.Program(t, "g++")
	program := filepath.Join(t.TempDir(), "ward")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program,
		"../../cmd/ward").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	figures, err := verify(t.Context(), Options{Quick: true, Progress: func(m string) { t.Log(m) }}, program)
	if err != nil {
		t.Fatal(err)
	}
	if len(figures) != 7 {
		t.Errorf("%d figures", len(figures))
	}
	for _, f := range figures {
		t.Logf("%+v", f)
		if f.Ward <= 0 || f.Other <= 0 || f.Ratio <= 0 {
			t.Errorf("%s: nothing was measured", f.Figure)
		}
	}
}
