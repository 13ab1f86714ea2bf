package tenancy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ward-health/ward/internal/wardtest"
)

// The Python of docs/ADOPTING.md is part of testdata/adopt.py, which signs in, writes, asks and looks through psycopg, and is refused without asking.
func TestAdoptingInPython(t *testing.T) {
	s := newScene(t)
	script, err := os.ReadFile("../testdata/adopt.py")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/ADOPTING.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)\n```python\n(.*?)```").FindSubmatch(doc)
	if len(shown) != 2 || !strings.Contains(string(script), string(shown[1])) {
		t.Error("docs/ADOPTING.md shows other Python than testdata/adopt.py")
	}
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(wardtest.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "../testdata/adopt.py", s.DB.DSN("ward_app"), secret).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "Python" {
		t.Fatalf("%v: %s (Debian: apt install python3-psycopg)", err, out)
	}
}
