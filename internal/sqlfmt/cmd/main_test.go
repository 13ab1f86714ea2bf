package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	const before, after = "SELECT  1 ;\n", "select 1;\n"
	dir := t.TempDir()
	wrong, right, other := filepath.Join(dir, "a.sql"), filepath.Join(dir, "b.sql"), filepath.Join(dir, "c.txt")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(wrong, before)
	write(right, after)
	write(other, before)
	check := func(status int, stdout string, args ...string) {
		t.Helper()
		var c command
		if got := c.run(args); got != status || !strings.Contains(c.out.String(), stdout) {
			t.Errorf("%q: status %d, %q, %q", args, got, c.out.String(), c.errs.String())
		}
	}
	check(clean, after, wrong)
	check(changed, wrong+"\n", "-l", dir)
	check(clean, "", "-l", right)
	check(changed, "+select 1;", "-d", dir)
	if text, err := os.ReadFile(wrong); err != nil || string(text) != before {
		t.Errorf("-l or -d changed the file: %q, %v", text, err)
	}
	check(clean, "", "-w", dir)
	for name, want := range map[string]string{wrong: after, other: before} {
		if text, err := os.ReadFile(name); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	check(clean, "", "-l", dir)
	write(wrong, "select 'a")
	check(failed, "", "-w", dir)
	check(failed, "", filepath.Join(dir, "none.sql"))
	check(failed, "")
}
