package archive

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHeadMemory remembers the longest head of a log, apart for every key, and no head where there is no memory.
func TestHeadMemory(t *testing.T) {
	f := build(t)
	last, first := f.heads[len(f.heads)-1], f.heads[0]
	if last.Size <= first.Size {
		t.Fatal("the log does not grow")
	}
	path := filepath.Join(t.TempDir(), "state", "ward", "heads.json")
	for name, h := range map[string]*HeadMemory{"file": NewHeadMemory(path, "k1"), "process": NewHeadMemory("", "k1")} {
		t.Run(name, func(t *testing.T) {
			if got := must(h.Load())(t); len(got) != 0 {
				t.Fatalf("a new memory knows %q", got)
			}
			for _, x := range []Head{first, last, first} {
				if err := h.Save([]Head{x}); err != nil {
					t.Fatal(err)
				}
			}
			got := must(h.Load())(t)
			if len(got) != 1 || string(got[0]) != last.Checkpoint {
				t.Errorf("remembered %q, want the head of size %d", got, last.Size)
			}
			r := f.verify(t, func(o *VerifyOptions) { o.ExpectHeads = got })
			if !r.FreshnessProven {
				t.Error("the log is not shown to have grown")
			}
		})
	}
	if got := must(NewHeadMemory(path, "k2").Load())(t); len(got) != 0 {
		t.Errorf("another key's memory is %q", got)
	}
	if info := must(os.Stat(path))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if files := must(os.ReadDir(filepath.Dir(path)))(t); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	var none *HeadMemory
	if got, err := none.Load(); got != nil || err != nil || none.Save(f.heads) != nil {
		t.Errorf("no memory gives %q, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("null"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewHeadMemory(path, "k1").Load(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %v", err)
	}
}
